package kexec

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// marked is words as the tests write them: "i:quiet h:panic=1".
func marked(words []Word) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.Origin.String()[:1] + ":" + w.Text
	}
	return strings.Join(texts, " ")
}

var vgaAndSerial = []Console{{"tty0", ""}, {"ttyS0", "115200"}}

func TestCompose(t *testing.T) {
	full := Parts{
		Image: "acpi=off console=ttyS9 quiet\n", Consoles: vgaAndSerial, Operator: "tty0",
		Local: "lab=7", Flash: "sda2", Slot: "active", GRUBEntry: "1", Append: "single",
	}
	for _, tt := range []struct {
		name          string
		parts         Parts
		want, dropped string
	}{
		{"nothing", Parts{}, "h:panic=1", ""},
		{"everything", full,
			"i:acpi=off i:quiet c:console=ttyS0,115200 c:console=tty0 s:lab=7 h:panic=1 h:flash=sda2 h:img=active h:GRUB_ENTRY=1 o:single",
			"i:console=ttyS9"},

		{"image's consoles, all of them", Parts{Image: `console=a b console=c "console=d" console="e" consoleblank=0`},
			"i:b i:consoleblank=0 h:panic=1", `i:console=a i:console=c i:"console=d" i:console="e"`},
		{"image's console is ours", Parts{Image: "console=ttyS0,9600", Consoles: vgaAndSerial},
			"c:console=tty0 c:console=ttyS0,115200 h:panic=1", "i:console=ttyS0,9600"},
		{"other words twice", Parts{Image: "ip=1 ip=2", Local: "ip=1 root=x"}, "i:ip=1 i:ip=2 s:ip=1 s:root=x h:panic=1", ""},

		{"kernel's order without an operator", Parts{Consoles: vgaAndSerial}, "c:console=tty0 c:console=ttyS0,115200 h:panic=1", ""},
		{"operator in the middle", Parts{Consoles: []Console{{"tty0", ""}, {"ttyS0", ""}, {"ttyS1", ""}}, Operator: "ttyS0"},
			"c:console=tty0 c:console=ttyS1 c:console=ttyS0 h:panic=1", ""},
		{"operator at tty1, console tty0", Parts{Consoles: vgaAndSerial, Operator: "tty1"},
			"c:console=ttyS0,115200 c:console=tty0 h:panic=1", ""},
		{"operator at tty0, console tty1", Parts{Consoles: []Console{{"tty1", ""}, {"ttyS0", ""}}, Operator: "tty0"},
			"c:console=ttyS0 c:console=tty1 h:panic=1", ""},
		{"operator elsewhere", Parts{Consoles: vgaAndSerial, Operator: "pts/0"},
			"c:console=tty0 c:console=ttyS0,115200 h:panic=1", ""},
		{"tty0 and tty1 are one screen", Parts{Consoles: []Console{{"tty0", ""}, {"ttyS0", ""}, {"tty1", ""}}},
			"c:console=ttyS0 c:console=tty1 h:panic=1", "c:console=tty0"},

		{"system.arg's options for our console", Parts{Consoles: vgaAndSerial, Operator: "tty0", Local: "a console=ttyS0,9600 b"},
			"s:console=ttyS0,9600 c:console=tty0 s:a s:b h:panic=1", "c:console=ttyS0,115200"},
		{"system.arg's options, operator there", Parts{Consoles: vgaAndSerial, Operator: "ttyS0", Local: "console=ttyS0,9600"},
			"c:console=tty0 s:console=ttyS0,9600 h:panic=1", "c:console=ttyS0,115200"},
		{"system.arg's tty1 for our tty0", Parts{Consoles: vgaAndSerial, Local: "console=tty1"},
			"s:console=tty1 c:console=ttyS0,115200 h:panic=1", "c:console=tty0"},
		{"system.arg's options for a screen with two names", Parts{Consoles: []Console{{"tty0", ""}, {"tty1", ""}}, Local: "console=tty0,x"},
			"s:console=tty0,x h:panic=1", "c:console=tty0 c:console=tty1"},
		{"system.arg's other console", Parts{Consoles: vgaAndSerial, Local: "a console=ttyS1,9600"},
			"s:console=ttyS1,9600 c:console=tty0 c:console=ttyS0,115200 s:a h:panic=1", ""},
		{"system.arg's other console twice", Parts{Consoles: vgaAndSerial, Local: "console=ttyS1,9600 console=ttyS1"},
			"s:console=ttyS1 c:console=tty0 c:console=ttyS0,115200 h:panic=1", "s:console=ttyS1,9600"},
		{"system.arg alone", Parts{Local: "console=ttyS1 console=tty0"}, "s:console=ttyS1 s:console=tty0 h:panic=1", ""},

		{"our names in the image", Parts{Image: "panic=30 img=evil flash=hda1 quiet", Flash: "sda2", Slot: "active"},
			"i:quiet h:panic=1 h:flash=sda2 h:img=active", "i:panic=30 i:img=evil i:flash=hda1"},
		{"our names in system.arg", Parts{Image: "img=a", Local: "panic=5 img=b img=c"}, "s:img=c h:panic=1",
			"i:img=a s:panic=5 s:img=b"},
		{"our names from the operator", Parts{Slot: "active", Append: "img=backup panic=0"}, "o:img=backup o:panic=0",
			"h:panic=1 h:img=active"},
		{"names like ours", Parts{Image: "panic panic_on_oops=1 IMG=x"}, "i:panic i:panic_on_oops=1 i:IMG=x h:panic=1", ""},
		{"a title as the entry", Parts{GRUBEntry: "Image 1"}, `h:panic=1 h:GRUB_ENTRY="Image 1"`, ""},

		{"operator's other console stays where typed", Parts{Consoles: vgaAndSerial, Append: "a console=ttyS1 b"},
			"c:console=tty0 c:console=ttyS0,115200 h:panic=1 o:a o:console=ttyS1 o:b", ""},
		{"operator's options for our console", Parts{Consoles: vgaAndSerial, Append: "console=tty0 console=ttyS0,9600"},
			"h:panic=1 o:console=tty0 o:console=ttyS0,9600", "c:console=tty0 c:console=ttyS0,115200"},

		{"for init", Parts{Image: "quiet -- a b", Consoles: vgaAndSerial, Append: "c"},
			"i:quiet c:console=tty0 c:console=ttyS0,115200 h:panic=1 o:c i:-- i:a i:b", ""},
		{"for init, from all", Parts{Image: "-- a", Local: "b -- c", Append: "d -- e -- f"},
			"s:b h:panic=1 o:d i:-- i:a s:c o:e o:-- o:f", ""},
		{"quoted separator", Parts{Image: `a "--" b`}, `i:a h:panic=1 i:"--" i:b`, ""},
		{"for init: our names still are ours, console= is not the kernel's", Parts{Image: "-- img=evil console=x", Slot: "active"},
			"h:panic=1 h:img=active i:-- i:console=x", "i:img=evil"},

		{"comments and DOS lines", Parts{Image: "quiet # no\r\n", Local: "#no\r\nlab=7\r\n"}, "i:quiet s:lab=7 h:panic=1", ""},
		{"no comments in what is typed", Parts{Append: "a #b"}, "h:panic=1 o:a o:#b", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line := Compose(tt.parts)
			if got := marked(line.Words); got != tt.want {
				t.Errorf("line\n%s\nwant\n%s", got, tt.want)
			}
			if got := marked(line.Dropped); got != tt.dropped {
				t.Errorf("dropped\n%s\nwant\n%s", got, tt.dropped)
			}
		})
	}
}

func TestComposeReplace(t *testing.T) {
	parts := Parts{Image: "quiet console=x", Consoles: vgaAndSerial, Slot: "active", Append: "one"}
	for _, tt := range []struct{ name, typed, want, dropped string }{
		{"nothing changed", "quiet console=tty0 console=ttyS0,115200 panic=1 img=active one",
			"i:quiet c:console=tty0 c:console=ttyS0,115200 h:panic=1 h:img=active o:one", "i:console=x"},
		{"one word changed", "quiet console=tty0 console=ttyS0,9600 panic=1 img=active one",
			"i:quiet c:console=tty0 o:console=ttyS0,9600 h:panic=1 h:img=active o:one", "i:console=x c:console=ttyS0,115200"},
		{"as typed, twice and all", "img=x img=y console=x quiet quiet", "o:img=x o:img=y o:console=x i:quiet o:quiet",
			"i:console=x c:console=tty0 c:console=ttyS0,115200 h:panic=1 h:img=active o:one"},
		{"emptied", "", "", "i:quiet i:console=x c:console=tty0 c:console=ttyS0,115200 h:panic=1 h:img=active o:one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := parts
			p.Replace = &tt.typed
			line := Compose(p)
			if got := marked(line.Words); got != tt.want {
				t.Errorf("line\n%s\nwant\n%s", got, tt.want)
			}
			if got := marked(line.Dropped); got != tt.dropped {
				t.Errorf("dropped\n%s\nwant\n%s", got, tt.dropped)
			}
		})
	}
}

// TestComposeRandom composes lines of words that get into each other's way.
func TestComposeRandom(t *testing.T) {
	pool := strings.Fields(`quiet a=b panic=0 panic=9 img=active img=x flash=sda1 GRUB_ENTRY=3 "img=y" -- "--" tail
		console=tty0 console=tty1 console=ttyS0 console=ttyS0,9600 console=ttyS1,115200n8 console="ttyS2" console=null "x #c`)
	consoles := []Console{{"tty0", ""}, {"tty1", ""}, {"ttyS0", "115200"}, {"ttyS1", ""}}
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		words := make([]string, random.IntN(6))
		for i := range words {
			words[i] = pool[random.IntN(len(pool))]
		}
		return strings.Join(words, " ")
	}
	for range 20000 {
		p := Parts{Image: text(), Local: text(), Append: text()}
		for _, i := range random.Perm(len(consoles))[:random.IntN(len(consoles)+1)] {
			p.Consoles = append(p.Consoles, consoles[i])
		}
		p.Operator = []string{"", "tty0", "tty1", "ttyS0", "ttyS1", "pts/0"}[random.IntN(6)]
		p.Slot = []string{"", "backup"}[random.IntN(2)]
		if checkComposed(t, p); t.Failed() {
			t.Fatalf("parts %+v", p)
		}
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("quiet console=ttyS9 -- a", "console=ttyS0,9600", "img=backup", "ttyS0")
	f.Add(`"img=a b`, "# c", "--", "tty1")
	f.Fuzz(func(t *testing.T, image, local, typed, operator string) {
		checkComposed(t, Parts{Image: image, Local: local, Append: typed, Operator: operator,
			Consoles: vgaAndSerial, Flash: "sda2", Slot: "active"})
	})
}

// checkComposed holds a composed line against what is promised of every line.
func checkComposed(t *testing.T, p Parts) {
	t.Helper()
	line := Compose(p)
	kernel := line.Words
	if i := slices.IndexFunc(kernel, func(w Word) bool { return isSeparator(w.Text) }); i >= 0 {
		kernel = kernel[:i]
	}
	checkOnce(t, line.Words, kernel)
	checkOperatorLast(t, p, kernel)
	checkImage(t, p, line)
	for _, w := range line.Words[len(kernel):] {
		if w.Origin == FromHoldfast || w.Origin == FromConsole {
			t.Errorf("%s is behind the separator: %s", w.Text, marked(line.Words))
		}
	}
	if line.Check(1<<20) != nil {
		return
	}
	text := line.String()
	p.Replace = &text
	if again := Compose(p); again.String() != text || marked(again.Words) != marked(line.Words) {
		t.Errorf("replaced by itself %s\nbecomes %s", marked(line.Words), marked(again.Words))
	}
}

// checkOnce looks for one of our names, or a console, said twice.
func checkOnce(t *testing.T, words, kernel []Word) {
	t.Helper()
	seen := map[string]bool{}
	for i, w := range words {
		name, _, ok := param(w.Text)
		device, console := consoleOf(w)
		switch {
		case ok && slices.Contains([]string{"panic", "flash", "img", "GRUB_ENTRY"}, name):
		case console && i < len(kernel):
			name = "console " + device
		default:
			continue
		}
		if seen[name] {
			t.Errorf("%s is twice on %s", name, marked(words))
		}
		seen[name] = true
	}
}

func checkOperatorLast(t *testing.T, p Parts, kernel []Word) {
	t.Helper()
	device := Console{Name: p.Operator}.device()
	if !slices.ContainsFunc(p.Consoles, func(c Console) bool { return c.device() == device }) {
		return
	}
	last := ""
	for _, w := range kernel {
		d, ok := consoleOf(w)
		if ok && w.Origin == FromOperator {
			return // typed: as the operator likes
		}
		if ok {
			last = d
		}
	}
	if last != device {
		t.Errorf("operator at %s, last console %q: %s", p.Operator, last, marked(kernel))
	}
}

// checkImage wants every word of the image on the line or among the dropped, in the image's order.
func checkImage(t *testing.T, p Parts, line CommandLine) {
	t.Helper()
	fromImage := func(words []Word) (texts []string) {
		for _, w := range words {
			if w.Origin == FromImage {
				texts = append(texts, w.Text)
			}
		}
		return texts
	}
	on, off, all := fromImage(line.Words), fromImage(line.Dropped), ParseArguments(p.Image)
	if !inOrder(on, all) || !inOrder(off, all) {
		t.Errorf("words of the image are moved: %s, dropped %s", marked(line.Words), marked(line.Dropped))
	}
	if !slices.Equal(slices.Sorted(slices.Values(append(on, off...))), slices.Sorted(slices.Values(all))) {
		t.Errorf("words of the image are lost or new: %s, dropped %s", marked(line.Words), marked(line.Dropped))
	}
}

// inOrder reports whether some are among all, in all's order.
func inOrder(some, all []string) bool {
	for _, w := range all {
		if len(some) > 0 && some[0] == w {
			some = some[1:]
		}
	}
	return len(some) == 0
}
