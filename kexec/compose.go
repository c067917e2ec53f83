package kexec

import (
	"slices"
	"strings"
)

// Parts is everything a command line is composed of. The zero value composes to "panic=1".
type Parts struct {
	Image     string    // text of the image's kernel.arg; "" when there is none
	Consoles  []Console // of the running kernel, in its order; the last one owns /dev/console
	Operator  string    // name of the console the operator is at; "" when nobody asked (automatic boot)
	Local     string    // text of cfg/system.arg; "" when there is none
	Flash     string    // value of flash=; left out when ""
	Slot      string    // value of img=; left out when ""
	GRUBEntry string    // value of GRUB_ENTRY=; left out when ""
	Append    string    // the operator's words, added to the composed line
	Replace   *string   // the operator's whole edited line; wins over everything else
}

// Compose makes the next kernel's command line:
//
//   - the image's words, without its console= ones: they name the consoles of another machine;
//   - a console= of system.arg for a device the running kernel has no console on;
//   - the running kernel's consoles in its order, but the operator's last, as the last one owns
//     /dev/console. The operator at tty1 is at the console tty0. An Operator that is none of them
//     changes nothing;
//   - the words of system.arg; a console= among them for one of our consoles stands in its place;
//   - panic=1, flash=, img=, GRUB_ENTRY=;
//   - the operator's Append, as typed;
//   - what any of them has after a lone "--", which is for init and not for the kernel.
//
// Of several words for one of Holdfast's own names (panic, flash, img, GRUB_ENTRY), or for one
// console, only one stays, since a kernel told twice keeps a console's first options: the one of the
// later Origin, and of one origin the last. So an image cannot claim to be another slot, but the
// operator's own img= stands: it is typed for this one boot, with the line in view. Everything else is
// the kernel's to sort out and keeps its order.
//
// With Replace the line is exactly those words; one that Compose would have written too keeps its
// origin, so that the display shows what was edited.
func Compose(p Parts) CommandLine {
	words, tail := place(p)
	keep := choose(words, tail)
	if p.Replace != nil {
		return edited(words, keep, *p.Replace)
	}
	var line CommandLine
	for i, w := range words {
		if keep[i] {
			line.Words = append(line.Words, w)
		} else {
			line.Dropped = append(line.Dropped, w)
		}
	}
	return line
}

// place puts the words of all parts in order. Those from tail on are for init.
func place(p Parts) (words []Word, tail int) {
	image, imageTail := parse(ParseArguments(p.Image), FromImage)
	local, localTail := parse(ParseArguments(p.Local), FromLocal)
	typed, typedTail := parse(SplitWords(p.Append), FromOperator)

	consoles, local := placeConsoles(p.Consoles, p.Operator, local)
	words = slices.Concat(image, consoles, local, ours(p), typed)
	tail = len(words)
	for _, more := range [][]Word{imageTail, localTail, typedTail} {
		if len(words) > tail && len(more) > 0 {
			more = more[1:] // one separator is enough
		}
		words = append(words, more...)
	}
	return words, tail
}

// parse gives texts an origin and parts the kernel's words from init's, the separator included.
func parse(texts []string, o Origin) (kernel, tail []Word) {
	var words []Word
	for _, t := range texts {
		words = append(words, Word{Text: t, Origin: o})
	}
	at := slices.IndexFunc(texts, isSeparator)
	if at < 0 {
		return words, nil
	}
	return words[:at], words[at:]
}

// isSeparator reports whether word is the one after which the kernel stops reading.
func isSeparator(word string) bool {
	name, _, ok := param(word)
	return !ok && name == "--"
}

// placeConsoles gives the console= words: those of local for other devices, then every console with
// what local says of it. rest is local without them.
func placeConsoles(consoles []Console, operator string, local []Word) (placed, rest []Word) {
	others := map[string][]Word{}
	for _, w := range local {
		if d, ok := consoleOf(w); !ok {
			rest = append(rest, w)
		} else if slices.ContainsFunc(consoles, func(c Console) bool { return c.device() == d }) {
			others[d] = append(others[d], w)
		} else {
			placed = append(placed, w)
		}
	}
	for _, c := range operatorLast(consoles, operator) {
		placed = append(placed, Word{"console=" + c.String(), FromConsole})
		placed = append(placed, others[c.device()]...)
		delete(others, c.device())
	}
	return placed, rest
}

// operatorLast moves the consoles on the operator's device to the end.
func operatorLast(consoles []Console, operator string) []Console {
	var first, last []Console
	for _, c := range consoles {
		if c.device() == (Console{Name: operator}).device() {
			last = append(last, c)
		} else {
			first = append(first, c)
		}
	}
	return append(first, last...)
}

// consoleOf gives the device of a console= word.
func consoleOf(w Word) (device string, ok bool) {
	name, value, _ := param(w.Text)
	if name != "console" {
		return "", false
	}
	return parseConsole(value).device(), true
}

// ours are the words Holdfast itself has to say. panic=1 brings a machine whose kernel died back to
// GRUB, and so to its fallback.
func ours(p Parts) []Word {
	words := []Word{{"panic=1", FromHoldfast}}
	for _, own := range []struct{ name, value string }{
		{"flash", p.Flash}, {"img", p.Slot}, {"GRUB_ENTRY", p.GRUBEntry},
	} {
		if own.value == "" {
			continue
		}
		words = append(words, Word{own.name + "=" + quote(own.value), FromHoldfast})
	}
	return words
}

// quote keeps a value with white space in it, such as the title of a GRUB entry, one word.
func quote(value string) string {
	if slices.ContainsFunc([]byte(value), isSpace) {
		return `"` + value + `"`
	}
	return value
}

// choose says which words stay on the line.
func choose(words []Word, tail int) []bool {
	winner := map[string]int{}
	for i, w := range words {
		k := key(w, i < tail)
		if at, ok := winner[k]; !ok || w.Origin >= words[at].Origin {
			winner[k] = i
		}
	}
	keep := make([]bool, len(words))
	for i, w := range words {
		k := key(w, i < tail)
		imageConsole := w.Origin == FromImage && strings.HasPrefix(k, "console=")
		keep[i] = k == "" || winner[k] == i && !imageConsole
	}
	return keep
}

// key is what only one word of the line may be about; "" for a word that may stand beside its like.
// Holdfast's names count among init's words too: they are looked for in /proc/cmdline, which has both.
func key(w Word, kernel bool) string {
	name, _, ok := param(w.Text)
	if !ok {
		return ""
	}
	switch name {
	case "panic", "flash", "img", "GRUB_ENTRY":
		return name
	case "console":
		if device, _ := consoleOf(w); kernel {
			return "console=" + device
		}
	}
	return ""
}

// edited is the line the operator typed in place of the composed one.
func edited(words []Word, keep []bool, text string) CommandLine {
	var line CommandLine
	used := make([]bool, len(words))
	for _, t := range SplitWords(text) {
		w := Word{t, FromOperator}
		for i, composed := range words {
			if composed.Text == t && keep[i] && !used[i] {
				w, used[i] = composed, true
				break
			}
		}
		line.Words = append(line.Words, w)
	}
	for i, w := range words {
		if !used[i] {
			line.Dropped = append(line.Dropped, w)
		}
	}
	return line
}
