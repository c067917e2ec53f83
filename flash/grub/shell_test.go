package grub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// tool gives the output of a program that must be there.
func tool(t *testing.T, pkg, stdin, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if err != nil && (!errors.As(err, &status) || ctx.Err() != nil) {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// legacyFile is a file of Debian's grub-legacy.
func legacyFile(t *testing.T, name string) []byte {
	t.Helper()
	return installed(t, "/usr/lib/grub/x86_64-pc/"+name, "grub-legacy")
}

func installed(t *testing.T, name, pkg string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	return b
}

// diskWith makes an ext2 image, in a partition or bare, with GRUB's files, and GRUB's device map.
func diskWith(t *testing.T, partition bool, files map[string][]byte) (img, deviceMap string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, "files", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	img, deviceMap = filepath.Join(dir, "img"), filepath.Join(dir, "map")
	err := errors.Join(os.WriteFile(img, nil, 0o644), os.Truncate(img, 8<<20), os.WriteFile(deviceMap, []byte("(hd0) "+img+"\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-q", "-t", "ext2", "-I", "128", "-b", "1024", "-d", filepath.Join(dir, "files"), img}
	if partition {
		tool(t, "fdisk", "2048,,83,*\n", "sfdisk", "-q", img)
		args = append([]string{"-E", "offset=1048576"}, append(args, "7168")...)
	}
	tool(t, "e2fsprogs", "", "mke2fs", args...)
	return img, deviceMap
}

// booting gives the titles of the entries that GRUB Legacy's own shell tries, one after the other.
func booting(t *testing.T, menu, saved string) []string {
	t.Helper()
	legacyFile(t, "stage1") // says what is missing
	_, deviceMap := diskWith(t, true, map[string][]byte{"boot/grub/menu.lst": []byte(menu), "boot/grub/default": []byte(saved)})
	// Where its addresses vary, this old program overlooks the file default once in 25 runs (measured).
	out := tool(t, "util-linux", "", "setarch", "-R", "grub", "--no-floppy", "--no-curses", "--device-map="+deviceMap, "--config-file=(hd0,0)/boot/grub/menu.lst")
	var titles []string
	for _, found := range regexp.MustCompile(`Booting '(.*)'`).FindAllStringSubmatch(out, -1) {
		titles = append(titles, found[1])
	}
	if titles == nil {
		t.Fatalf("the grub shell boots nothing:\n%s", out)
	}
	return titles
}

// TestAsGRUBLegacy has GRUB try one entry after the other, none of which it can load, and compares.
func TestAsGRUBLegacy(t *testing.T) {
	entries := "title Zero\nroot (hd0,0)\nkernel /missing\ntitle One\nroot (hd0,0)\nkernel /missing\n" +
		"title Two\nroot (hd0,0)\nkernel /missing\ntitle Three\nroot (hd0,0)\nkernel /missing\n"
	pad := "\n#\n#\n#\n#\n#\n"
	for name, test := range map[string]struct{ menu, saved string }{
		"saved":                     {"default saved\nfallback 1 3\n" + entries, "2" + pad},
		"with =":                    {"default=saved\nfallback=1 3\n" + entries, "2" + pad},
		"as GRUB writes it":         {"default saved\nfallback 1\n" + entries, "2\x00\n\n\n\n\n\n\n\n\n"},
		"fixed":                     {"default 3\nfallback 0\n" + entries, "2" + pad},
		"no default":                {"fallback 1\n" + entries, "2" + pad},
		"default is empty":          {"default saved\ndefault\nfallback 1\n" + entries, "2" + pad},
		"fallback is empty":         {"default saved\nfallback 1\nfallback\n" + entries, "2" + pad},
		"a bad second fallback":     {"default saved\nfallback 1\nfallback x\n" + entries, "2" + pad},
		"twice at the end":          {"default saved\nfallback 1 3 1\n" + entries, "2" + pad},
		"nothing but bad fallbacks": {"default saved\nfallback 9\n" + entries, "2" + pad},
		"hexadecimal":               {"default 0x1\nfallback 0x3 2\n" + entries, "2" + pad},
		"with commas":               {"default 1,2\nfallback 0,1 3\n" + entries, "2" + pad},
		"default is no number":      {"default x\nfallback 1\n" + entries, "2" + pad},
		"out of range":              {"default saved\nfallback 2 1\n" + entries, "9" + pad},
		"out of range, no fallback": {"default saved\n" + entries, "9" + pad},
		"odd fallbacks":             {"default saved\nfallback 9 3 3 1\n" + entries, "2" + pad},
		"fallback is no number":     {"default saved\nfallback 1 x 3\n" + entries, "2" + pad},
		"nine fallbacks":            {"default 0\nfallback 9 9 9 9 9 9 9 9 3\n" + entries, "2" + pad},
		"itself among them":         {"default saved\nfallback 0 1 2 3\n" + entries, "0" + pad},
		"carriage returns":          {strings.ReplaceAll("default saved\nfallback 1 3\n"+entries, "\n", "\r\n"), "2" + pad},
		"empty titles":              {"default saved\nfallback 1 3\ntitle empty\n" + entries + "title last\n", "2" + pad},
		"only unknown commands":     {"default saved\nfallback 1 3\ntitle unknown\nfrobnicate\n" + entries, "2" + pad},
		"a joined line":             {"default \\\n saved\nfallback 1 \\\n3\n#\\\ndefault 0\n" + entries, "2" + pad},
		"an = title":                {"default saved\nfallback 1 3\ntitle == First\nroot (hd0,0)\nkernel /missing\n" + entries, "0" + pad},
		"tabs":                      {"\tdefault\tsaved\n\tfallback\t1\t3\n" + entries, "2" + pad},
		"default after a title":     {"default saved\nfallback 1 3\n" + entries + "default 0\n", "2" + pad},
		"twice":                     {"default 1\ndefault saved\nfallback 1\nfallback 3\n" + entries, "2" + pad},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := booting(t, "timeout 0\n"+test.menu, test.saved)
			m := parseMenuList("timeout 0\n" + test.menu)
			saved, err := DecodeDefaultFile([]byte(test.saved))
			if err != nil {
				t.Fatal(err)
			}
			var tried []string
			m.Chain(saved, func(e Entry) bool { tried = append(tried, e.Title); return false })
			if !slices.Equal(tried, want) {
				t.Errorf("tried %q, GRUB tries %q", tried, want)
			}
		})
	}
}

// TestLegacyReadsWith has GRUB read the file after the number in it was changed.
func TestLegacyReadsWith(t *testing.T) {
	var menu strings.Builder
	menu.WriteString("timeout 0\ndefault saved\n")
	for n := range 12 {
		fmt.Fprintf(&menu, "title %d\nroot (hd0,0)\nkernel /missing\n", n)
	}
	for _, test := range []struct{ file, to, want string }{
		{"9\n#\n#\n#\n#\n#\n", "10", "10#\n#\n#\n#\n#\n"},
		{"9\n1234567890", "11", "11\n234567890"},
		{"10\n#\n#\n#\n#\n#\n", "9", "9\n\n#\n#\n#\n#\n#\n"},
		{"1x\n#\n#\n#\n#\n#\n", "0", "0\n\n#\n#\n#\n#\n#\n"},
		{"1\x00\n\n\n\n\n\n\n\n", "11", "11\n\n\n\n\n\n\n\n"},
		{"007\n######", "5", "5\n\n\n######"},
		{"123456789\n", "3", "3\n\n\n\n\n\n\n\n\n"},
	} {
		d, err := DecodeDefaultFile([]byte(test.file))
		if err != nil {
			t.Fatal(err)
		}
		changed, err := d.With(test.to)
		if err != nil {
			t.Errorf("%q: With(%s): %v", test.file, test.to, err)
			continue
		}
		got, err := changed.Encode()
		if err != nil || string(got) != test.want {
			t.Errorf("%q: With(%s) = %q, %v, want %q", test.file, test.to, got, err, test.want)
		}
		if boots := booting(t, menu.String(), string(got)); boots[0] != test.to {
			t.Errorf("of %q GRUB boots %s, want %s", got, boots[0], test.to)
		}
	}
	for _, entry := range []string{"", "-1", "01", "1 ", "1>0", "1000000000", "title"} {
		if got, err := NewDefaultFile(0).With(entry); err == nil {
			t.Errorf("With(%q) = %+v, want an error", entry, got)
		}
	}
}

// TestStage2OfRealDisk has the sectors that GRUB's setup leaves: a header like that of the stage2
// form, of a stage1.5.
func TestStage2OfRealDisk(t *testing.T) {
	files := map[string][]byte{"boot/grub/menu.lst": nil}
	for _, name := range []string{"stage1", "stage2", "e2fs_stage1_5"} {
		files["boot/grub/"+name] = legacyFile(t, name)
	}
	img, deviceMap := diskWith(t, true, files)
	out := tool(t, "grub-legacy", "root (hd0,0)\nsetup (hd0)\nquit\n", "grub", "--batch", "--no-floppy", "--device-map="+deviceMap)
	if !strings.Contains(out, "sectors are embedded.") {
		t.Fatalf("no stage1.5 is embedded:\n%s", out)
	}
	disk, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	sector := disk[1024:1536]
	if !bytes.Equal(sector[6:12], []byte{3, 2, 0xff, 0xff, 0xff, 0}) {
		t.Errorf("sector 2 = %x, want a header like that of the stage2 form", sector[:32])
	}
	if s, err := DecodeStage2(sector); err == nil {
		t.Errorf("DecodeStage2 of a stage1.5 = %+v, want an error", s)
	}
	if place, err := Find(mapFS(files), bytes.NewReader(disk)); err == nil {
		t.Errorf("Find = %+v, want none", place)
	}
	if l, ok := loaderOf(disk[:512]); !ok || l != legacy {
		t.Errorf("loaderOf = %v, %v, want GRUB Legacy", l, ok)
	}
	// The same stage2 where Formilux has it: from sector 1 of the disk on.
	copy(disk[512:], legacyFile(t, "stage2"))
	place, err := Find(mapFS(files), bytes.NewReader(disk))
	if err != nil || place != (Place{Form: Stage2}) {
		t.Errorf("Find = %+v, %v, want stage2", place, err)
	}
	if saved, err := place.Read(mapFS(files), bytes.NewReader(disk)); err != nil || saved.Entry() != "0" {
		t.Errorf("Read = %+v, %v, want entry 0", saved, err)
	}
}

// TestFindBoth has the files of both GRUBs: the first sector decides.
func TestFindBoth(t *testing.T) {
	env, _ := Env{}.Encode()
	both := map[string][]byte{"boot/grub/grub.cfg": nil, "boot/grub/grubenv": env, "boot/grub/menu.lst": nil, "boot/grub/default": written}
	stage1 := legacyFile(t, "stage1")
	boot := installed(t, "/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin")
	if !bytes.Contains(stage1, []byte("GRUB ")) || !bytes.Contains(boot, []byte("GRUB ")) {
		t.Error("want both to say GRUB")
	}
	for _, test := range []struct {
		name   string
		sector []byte
		want   string
	}{
		{"GRUB Legacy", stage1, "boot/grub/default"},
		{"GRUB 2", boot, "boot/grub/grubenv"},
		{"nothing", make([]byte, 512), ""},
		{"a short disk", boot[:511], ""},
		{"two at once", append(append([]byte{0xeb, 0x63}, stage1[2:]...), 0), ""},
	} {
		place, err := Find(mapFS(both), bytes.NewReader(test.sector))
		if (err == nil) != (test.want != "") || place.Path != test.want {
			t.Errorf("%s: Find = %+v, %v, want %q", test.name, place, err, test.want)
		}
		if _, err := place.Menu(mapFS(both)); test.want != "" && err != nil {
			t.Errorf("%s: Menu: %v", test.name, err)
		}
	}
	if place, err := Find(mapFS(both), nil); err == nil {
		t.Errorf("Find without a disk = %+v, want an error", place)
	}
	delete(both, "boot/grub/grubenv")
	if place, err := Find(mapFS(both), bytes.NewReader(boot)); err == nil {
		t.Errorf("Find with GRUB Legacy's default and GRUB 2 on the disk = %+v, want none", place)
	}
}
