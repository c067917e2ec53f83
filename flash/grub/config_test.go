package grub

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast/flash/flashtest"
)

func configMenu(t *testing.T, config string) Menu {
	t.Helper()
	valid(t, config)
	m, err := menuIn(fstest.MapFS{"grub/grub.cfg": {Data: []byte(config)}, "grub/grubenv": {Data: []byte("x")}})
	if err != nil {
		t.Fatalf("%v\n%s", err, config)
	}
	return m
}

const twoEntries = "menuentry a --id A {\nlinux /a\n}\nmenuentry b --id B {\nlinux /b\n}\nmenuentry c {\nlinux /c\n}\n"

// TestConfigDefault has what scripts do with the default. boots is what is booted with saved_entry=1
// and next_entry=2, with saved_entry=1 alone, and with none: "?" where it is not known.
func TestConfigDefault(t *testing.T) {
	for name, test := range map[string]struct{ script, boots string }{
		"nothing":               {"", "0 0 0"},
		"fixed":                 {"load_env\nset default=1\n", "1 1 1"},
		"fixed without set":     {"default=1", "1 1 1"},
		"by id":                 {"set default=B\n", "1 1 1"},
		"saved":                 {"load_env; set default=\"$saved_entry\"\n", "1 1 0"},
		"not loaded":            {"set default=\"$saved_entry\"\n", "0 0 0"},
		"only next is loaded":   {"load_env next_entry\nset default=\"${saved_entry}${next_entry}\"\n", "2 0 0"},
		"of a file beside":      {"load_env --file $prefix/grubenv\nset default=${saved_entry}\n", "1 1 0"},
		"of another file":       {"load_env -f /else/grubenv\nset default=${saved_entry}\n", "? ? ?"},
		"saved or fixed":        {"load_env\nif [ -n \"$saved_entry\" ]; then set default=\"$saved_entry\"; else set default=2; fi\n", "1 1 2"},
		"set before":            {"load_env\nset default=2\nif test -n \"$saved_entry\"\nthen\nset default=$saved_entry\nfi\n", "1 1 2"},
		"next":                  {"load_env\nif [ \"$next_entry\" ]; then set default=\"$next_entry\"; else set default=\"$saved_entry\"; fi\n", "2 1 0"},
		"next by x":             {"load_env\nif [ x$next_entry != x ]; then set default=$next_entry; fi\n", "2 0 0"},
		"saved is not 1":        {"load_env\nset default=2\nif [ \"$saved_entry\" = 1 ]; then set default=0; fi\n", "? ? ?"},
		"unknown condition":     {"if [ $grub_platform = efi ]; then set default=1; fi\n", "? ? ?"},
		"the same in both":      {"if [ $grub_platform = efi ]; then set default=1; else set default=1; fi\n", "1 1 1"},
		"a known condition":     {"v=1\nif [ x$v = x1 -a ! -z \"$v\" ]; then set default=1; fi\n", "1 1 1"},
		"a button":              {"load_env\nif cmostest 1 ; then set default=1\nelif [ \"$next_entry\" ]; then set default=$next_entry\nelse set default=$saved_entry; fi\n", "? ? ?"},
		"a file":                {"if [ -s $prefix/grubenv ]; then set default=1; fi\n", "1 1 1"},
		"no file":               {"if [ -f ${config_directory}/x -o -e $prefix/y ]; then set default=1; fi\n", "0 0 0"},
		"a file elsewhere":      {"if [ -f /x ]; then set default=1; fi\n", "? ? ?"},
		"in a function":         {"function f { set default=1; }\nf\n", "1 1 1"},
		"a function not called": {"function f { set default=1; }\n", "0 0 0"},
		"a loop":                {"for x in 0 1; do set default=$x; done\n", "? ? ?"},
		"another file":          {"source $prefix/more.cfg\n", "? ? ?"},
		"a variable as command": {"$x default=1\n", "? ? ?"},
		"eval":                  {"eval \"set default=1\"\n", "? ? ?"},
		"return":                {"if x; then return; fi\nset default=1\n", "? ? ?"},
		"read":                  {"read default\n", "? ? ?"},
		"search":                {"search --set=default --label x\n", "? ? ?"},
		"regexp":                {"regexp --set=1:default x y\n", "? ? ?"},
		"saved by itself":       {"load_env\nset default=$saved_entry\nset saved_entry=2\nsave_env saved_entry\n", "? ? ?"},
		"mixed":                 {"load_env\nset default=\"0>$saved_entry\"\n", "? ? ?"},
		"unset":                 {"set default=1\nunset default\n", "0 0 0"},
		"out of range":          {"set default=7\n", "0 0 0"},
	} {
		m := configMenu(t, test.script+"\n"+twoEntries)
		var got []string
		for _, s := range []Env{
			{Lines: []EnvLine{{"saved_entry", "1"}, {"next_entry", "2"}}}, {Lines: []EnvLine{{"saved_entry", "1"}}}, {},
		} {
			e, ok := m.Boots(s)
			if !ok {
				e.Key = "?"
			}
			got = append(got, e.Key)
		}
		if strings.Join(got, " ") != test.boots {
			t.Errorf("%s: boots %q, want %q", name, got, test.boots)
		}
		if strings.Contains(test.boots, "?") && len(m.Unknown) == 0 {
			t.Errorf("%s: nothing is told to be unknown", name)
		}
	}
}

// TestConfigKeys has entries whose numbers may not be known.
func TestConfigKeys(t *testing.T) {
	maybe := "if [ $grub_platform = efi ]; then menuentry u { fwsetup; }; fi\n"
	for name, test := range map[string]struct{ script, keys string }{
		"sure":              {twoEntries, "0|1|2"},
		"unsure at the end": {twoEntries + maybe, "0|1|2|"},
		"unsure in front":   {maybe + twoEntries, "|||"},
		"blscfg":            {"insmod blscfg\nblscfg\n" + twoEntries, "||"},
		"in a submenu":      {"submenu s {\n" + maybe + "menuentry x { linux /x; }\n}\nmenuentry y { linux /y; }\n", "0|||1"},
		"a known condition": {"if true; then menuentry u { linux /u; }; fi\n" + twoEntries, "0|1|2|3"},
		"never":             {"if false; then menuentry u { linux /u; }; fi\n" + twoEntries, "0|1|2"},
		"deep":              {"submenu s { submenu t { menuentry u { linux /u; }; }; menuentry v { linux /v; }; }", "0|0>0|0>0>0|0>1"},
		"by a function":     {"function f { menuentry \"$1\" { linux /f; }; }\nf 1\nf 2\n", "|"},
	} {
		m := configMenu(t, test.script)
		var got []string
		for _, e := range m.Entries {
			got = append(got, e.Key)
		}
		if strings.Join(got, "|") != test.keys {
			t.Errorf("%s: keys %q, want %q", name, got, test.keys)
		}
	}
	m := configMenu(t, maybe+twoEntries)
	if e, ok := m.Boots(Env{}); ok {
		t.Errorf("Boots = %+v, want it unknown", e)
	}
	if name := m.Name(m.Entries[1], ""); name != "A" {
		t.Errorf("Name of an entry without a number = %q, want its id", name)
	}
}

func TestConfigEntry(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		want   Entry
		doubt  bool
	}{
		"saves a number":    {"set saved_entry=3\nsave_env saved_entry\nlinux /k", Entry{Saves: "3", Kernel: "/k"}, false},
		"sets alone":        {"set saved_entry=3\nlinux /k", Entry{Kernel: "/k"}, false},
		"saves what is":     {"save_env saved_entry\nlinux /k", Entry{Kernel: "/k"}, false},
		"another variable":  {"set x=1\nsave_env x\nlinux /k", Entry{Kernel: "/k"}, false},
		"itself":            {"savedefault\nlinux /k", Entry{Saves: "T>>1", Kernel: "/k"}, false},
		"after the kernel":  {"linux /k\nsavedefault\ninitrd /i", Entry{Saves: "T>>1", Kernel: "/k"}, false},
		"perhaps":           {"if x; then savedefault; fi\nlinux /k", Entry{Kernel: "/k"}, true},
		"something":         {"set saved_entry=$x\nsave_env saved_entry\nlinux /k", Entry{Kernel: "/k"}, true},
		"nothing more":      {"set saved_entry=\nsave_env saved_entry\nlinux /k", Entry{Kernel: "/k"}, true},
		"one of two":        {"if x; then linux /k; else linux /l; fi", Entry{}, false},
		"arguments":         {"set args=\"a b\"\nlinux ($root)/k $args '$args' \"$args\" $unset x=$unset", Entry{Kernel: "/k", Words: []string{"a", "b", "$args", "a b", "$unset", "x=$unset"}}, false},
		"in one line":       {"insmod gzio; linux /k a\\\n b; initrd /i", Entry{Kernel: "/k", Words: []string{"a", "b"}}, false},
		"several lines":     {"echo 'one\ntwo }'\nlinux /k", Entry{Kernel: "/k"}, false},
		"another file":      {"configfile /boot/grub/more.cfg", Entry{}, true},
		"a chain loader":    {"chainloader +1", Entry{}, false},
		"a device variable": {"linux ${disk}/system/active/k", Entry{Kernel: "$disk/system/active/k"}, false},
	} {
		m := configMenu(t, "load_env\nfunction savedefault {\nsaved_entry=\"${chosen}\"\nsave_env saved_entry\n}\n"+
			"menuentry --class x 'T>1' --unrestricted --hotkey=k {\n"+test.script+"\n}\n")
		got := m.Entries[0]
		if got.Title != "T>1" || got.Saves != test.want.Saves || got.Kernel != test.want.Kernel || !slices.Equal(got.Words, test.want.Words) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		if got.ways.savesDoubt != test.doubt || test.doubt && len(m.Unknown) == 0 {
			t.Errorf("%s: doubt = %v with %q, want %v", name, got.ways.savesDoubt, m.Unknown, test.doubt)
		}
		if e, ok := m.Find("T>>1"); !ok || !e.same(got) {
			t.Errorf("%s: Find(T>>1) = %+v, %v", name, e, ok)
		}
	}
}

// TestConfigUnknown has a command that GRUB may or may not have: it is told, and no more.
func TestConfigUnknown(t *testing.T) {
	m := configMenu(t, "frobnicate now\nload_video\n"+twoEntries)
	if want := []string{"frobnicate now", "load_video"}; !slices.Equal(m.Unknown, want) || m.doubt {
		t.Errorf("Unknown = %q, %v, want %q", m.Unknown, m.doubt, want)
	}
}

func TestMenuListUnknown(t *testing.T) {
	m := parseMenuList("default saved\nsavemap 1\nfrobnicate\nfallback x\nserial --unit=0\nterminal serial\ntitle a\nkernel /k\nblah 1\n")
	if want := []string{"savemap 1", "frobnicate", "fallback x", "blah 1"}; !slices.Equal(m.Unknown, want) {
		t.Errorf("Unknown = %q, want %q", m.Unknown, want)
	}
}

// TestTooLong has scripts that would keep a reader busy.
func TestTooLong(t *testing.T) {
	deep := "function ga { true; }\n"
	for i := range 25 {
		deep += strings.ReplaceAll("function gB { gA; gA; gA; }\n", "A", string(rune('a'+i)))
		deep = strings.ReplaceAll(deep, "gB", "g"+string(rune('a'+i+1)))
	}
	vars := strings.Builder{}
	for i := range 20000 {
		vars.WriteString("set v" + strings.Repeat("a", i%50) + "=1\nif x; then y; fi\n")
	}
	for name, script := range map[string]string{
		"calls":     deep + "gz\n",
		"recursion": "function f { f; }\nf\n",
		"variables": vars.String(),
		"doubling":  "a=x\n" + strings.Repeat("a=\"$a$a\"\n", 60) + "default=\"$a\"\n" + strings.Repeat("echo "+strings.Repeat("$a ", 1000)+"\n", 100),
		"quotes":    "echo " + strings.Repeat(`\a`, 400000),
		"dollars":   "echo " + strings.Repeat("${", 4000),
		"lines":     strings.Repeat("a;", 100000),
		"copies":    "a=" + strings.Repeat("x", 8000) + "\na=\"$a$a$a$a$a$a$a$a\"\n" + often("b=\"$a\"; menuentry \"$b\" { linux $b; }"),
		"parts":     "a=0123456789abcdef\n" + often("b=\""+strings.Repeat("$a", 2700)+"\""),
		"entries":   often("menuentry a { linux b; }"),
	} {
		begun := time.Now()
		var err error
		flashtest.Bounded(t, 512<<20, func() {
			_, err = menuIn(fstest.MapFS{"grub/grub.cfg": {Data: []byte(script)}})
		})
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s: Menu took %v: %v", name, took, err)
		}
	}
}

// often is a script that does something a million times.
func often(does string) string {
	script := "function g0 {\n" + does + "\n}\n"
	for i := range 6 {
		script += fmt.Sprintf("function g%d { %s}\n", i+1, strings.Repeat(fmt.Sprintf("g%d;", i), 10))
	}
	return script + "g6\n"
}
