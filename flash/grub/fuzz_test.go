package grub

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/flash/flashtest"
)

// FuzzDefaultFile checks that a file is encoded as it was, and that after With GRUB reads the new
// number: as many digits as there are in front.
func FuzzDefaultFile(f *testing.F) {
	for _, seed := range [][]byte{written, fresh(12), []byte("9x12345678"), []byte("007\n######"), []byte("123456789\n")} {
		f.Add(seed, "10")
	}
	f.Fuzz(func(t *testing.T, b []byte, entry string) {
		d, err := DecodeDefaultFile(b)
		if err != nil {
			return
		}
		if got, _ := d.Encode(); !bytes.Equal(got, b) {
			t.Errorf("DecodeDefaultFile(%q).Encode() = %q", b, got)
		}
		changed, err := d.With(entry)
		if err != nil {
			return
		}
		got, _ := changed.Encode()
		again, err := DecodeDefaultFile(got)
		if err != nil || again.Entry() != entry || len(got) != len(b) {
			t.Errorf("%q with %s = %q, %+v, %v", b, entry, got, again, err)
		}
	})
}

// FuzzEnv varies what is behind the header; around it only one size and one first line are right.
func FuzzEnv(f *testing.F) {
	for _, body := range []string{"", "saved_entry=0\n", "# c\na=b\\\nc\\\\\n", "a=", "\\", "next_entry=a>b\n"} {
		f.Add(body, "1>0")
	}
	f.Fuzz(func(t *testing.T, body, entry string) {
		b := append([]byte(envHeader+body), bytes.Repeat([]byte("#"), envSize)...)[:envSize]
		env, err := DecodeEnv(b)
		if err != nil {
			return
		}
		file, err := env.Encode()
		if err != nil {
			t.Fatalf("Encode of %+v: %v", env, err)
		}
		if again, err := DecodeEnv(file); err != nil || !reflect.DeepEqual(again, env) {
			t.Errorf("DecodeEnv of what Encode gave = %+v, %v, want %+v", again, err, env)
		}
		changed, err := env.With(entry)
		if err != nil {
			return
		}
		file, _ = changed.Encode()
		if again, err := DecodeEnv(file); err != nil || again.Entry() != entry || again.Once() != "" {
			t.Errorf("%q with %q = %+v, %v", body, entry, again, err)
		}
	})
}

func FuzzStage2(f *testing.F) {
	f.Add(stage2Sample(1))
	f.Add(stage2Sample(247))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeStage2(b)
		if err != nil {
			return
		}
		if got, _ := s.Encode(); !bytes.Equal(got, b) {
			t.Error("DecodeStage2.Encode differs")
		}
	})
}

func FuzzMenuList(f *testing.F) {
	f.Add("default saved\nfallback 1 0\ntitle a\nsavedefault fallback\nkernel /system/active/kernel.img x", "0")
	f.Add("default 0x1\nfallback 3\ntitle a\ntitle b\nroot (hd0,0)\nsavedefault --wait=2\ntitle c\nkernel --type=linux (hd0,1)/k img=\"a b\"\\\n c\nsavedefault 7", "1")
	f.Fuzz(func(t *testing.T, text, saved string) {
		walkMenu(t, "grub/menu.lst", text, saved)
	})
}

func FuzzConfig(f *testing.F) {
	f.Add("menuentry 'a' --id b {\nlinux ($d,msdos2)/sys/backup/kernel.img 'x y'\n}\n", "b")
	f.Add("function f {\nif [ -n \"$a\" -a x = y ]; then set default=1; elif f; then :; else f; fi\n}\nf\nsubmenu s {\nmenuentry t {\nsave_env saved_entry\n}\n}\n", "s>t")
	f.Add("load_env\nset default=\"${saved_entry}\"\nfor x in a b; do set y=\"$y $x\"; done\nmenuentry \"$y\" { linux $x; }", "")
	f.Add("if [ \"${next_entry}\" ]; then\nset default=\"${next_entry}\"\nset next_entry=\nsave_env next_entry\nelse\nset default=\"${saved_entry}\"\nfi\n"+
		"function savedefault {\nsaved_entry=\"${chosen}\"\nsave_env saved_entry\n}\nmenuentry x $menuentry_id_option y {\nsavedefault\nlinux /k\n}", "y")
	f.Fuzz(func(t *testing.T, text, saved string) {
		walkMenu(t, "grub/grub.cfg", text, saved)
	})
}

// walkMenu reads a menu and asks all that is asked of one.
func walkMenu(t *testing.T, name, text, saved string) {
	t.Helper()
	flashtest.Bounded(t, 512<<20, func() {
		menu, err := menuIn(fstest.MapFS{name: {Data: []byte(text)}})
		if err != nil {
			return
		}
		s := Env{Lines: []EnvLine{{"saved_entry", saved}, {"next_entry", "0"}}}
		for _, e := range menu.Chain(s, func(e Entry) bool { return e.Slot != "active" }) {
			if len(menu.Group(e)) == 0 {
				t.Errorf("%+v is in no group", e)
			}
		}
		for _, e := range menu.Entries {
			if strings.Contains(e.Saves+e.Title+e.ID+e.Kernel+strings.Join(e.Words, ""), markSaved) && !strings.Contains(text, mark) {
				t.Errorf("a mark got out: %+v", e)
			}
			if name := menu.Name(e, saved); name != "" {
				if found, ok := menu.Find(name); ok && !found.same(e) && e.Key != "" && name == e.Key {
					t.Errorf("Name = %q, which is %+v, want %+v", name, found, e)
				}
			}
		}
	})
}
