package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"holdfast/initramfs"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
)

// cli runs the program in this process, with nobody at the terminal.
func cli(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// demoFlash is the demonstration written to a directory.
func demoFlash(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "flash")
	must(t, os.CopyFS(dir, demoTarget().FS))
	return dir
}

func TestExitCodes(t *testing.T) {
	flash := demoFlash(t)
	dir := t.TempDir()
	kernel := filepath.Join(dir, "kernel")
	must(t, os.WriteFile(kernel, kexectest.Kernel("6.1.0-test"), 0o644))
	bare := demoFlash(t)
	must(t, os.RemoveAll(filepath.Join(bare, "boot")))
	text := filepath.Join(dir, "text")
	must(t, os.WriteFile(text, []byte("hello\n"), 0o644))
	out := filepath.Join(dir, "out")
	disk := lookDisk(t, "grub-legacy")
	tests := []struct {
		name string
		args string
		code ops.Kind
		says string
	}{
		{"no such slot", "default set pending --yes --flash " + disk, ops.Refused, "no entry boots pending"},
		{"a slot without an entry", "default set factory --yes --flash " + disk, ops.Refused, "holdfast: default set: boot/grub/menu.lst: no entry boots factory"},
		{"flash is an empty word", "default set backup --yes --flash=", ops.Usage, "--flash is empty"},
		{"GRUB is an empty word", "status --grub= --flash " + disk, ops.Usage, "--grub is empty"},
		{"default not confirmed", "default set backup --flash " + disk, ops.NotConfirmed, "give --yes"},
		{"entry out of range", "default set-entry 5 --yes --flash " + disk, ops.Refused, `no entry "5"`},
		{"groups of none", "default set-entry -0 --yes --flash " + disk, ops.Usage, "groups of 0"},
		{"no entry", "default set-entry", ops.Usage, "want one entry, or -N"},
		{"an entry and a sum", "default set-entry 1 -2", ops.Usage, "want one entry, or -N"},
		{"no default to show", "default --flash " + bare, ops.Invalid, "holdfast: default: "},
		{"what was booted is not known", "confirm --flash " + disk, ops.Refused, "--slot active"},
		{"confirm of no slot", "confirm --slot pending --flash " + disk, ops.Usage, `no slot "pending"`},
		{"status of no flash", "status --flash " + dir, ops.NoFlash, "holdfast: status: "},
		{"status of nothing", "status --flash " + dir + "/absent", ops.NoFlash, "no such file"},
		{"text in JSON", "confirm --json", ops.Usage, "no --json"},
		{"no such command", "frobnicate", ops.Usage, `holdfast: unknown command "frobnicate"`},
		{"no such subcommand", "image frobnicate", ops.Usage, `holdfast: image: unknown command "frobnicate"`},
		{"no such flag", "console --frobnicate", ops.Usage, "hint: holdfast console --help"},
		{"a flag is missing", "image pack", ops.Usage, `"kernel", "output", "version" not set`},
		{"too many words", "boot a b", ops.Usage, "accepts 1 arg"},
		{"not process 1", "init", ops.Usage, "not process 1"},
		{"stage outside the stage", "console --stage", ops.Usage, "--stage is for PID 1"},
		{"two flashes", "console --demo --flash " + flash, ops.Usage, "only one flash"},
		{"no flash on this machine", "console", ops.NoFlash, "by --flash"},
		{"flash is absent", "boot active --flash " + dir + "/absent", ops.NoFlash, "no such file"},
		{"flash is a file", "boot active --flash " + text, ops.Invalid, "no file system that is known here"},
		{"no such partition", "boot active --flash " + text + ":2", ops.Invalid, "text:2: no partition table"},
		{"partition is absent", "status --flash " + disk + ":3", ops.NoFlash, "disk.img:3: no such partition; there is " + disk + ":1, " + disk + ":2\n"},
		{"GRUB's files are absent", "default set active --yes --flash " + bare, ops.Invalid, "\nhint: name the directory that holds boot/grub"},
		{"GRUB's own folder", "confirm --slot active --flash " + bare + " --grub " + flash + "/boot/grub", ops.Invalid, "default in boot/grub or grub: file does not exist"},
		{"GRUB's own folder, what to do", "default set active --flash " + bare + " --grub " + flash + "/boot/grub", ops.Invalid, "\nhint: name the directory that holds boot/grub"},
		{"GRUB is absent", "boot active --flash " + flash + " --grub " + dir + "/absent", ops.NoFlash, "by --grub"},
		{"directory is no flash", "boot active --flash " + dir, ops.NoFlash, "holdfast: boot: " + dir + ": no flash here"},
		{"no such image", "boot pending --flash " + flash, ops.Usage, `no image "pending"`},
		{"no such archive", "boot absent.tgz --flash " + flash, ops.Usage, `holdfast: boot: there is no file "absent.tgz": no image "absent.tgz" on this flash`},
		{"a folder to boot", "boot . --flash " + flash, ops.Usage, `"." is a folder, and no archive: no image`},
		{"verify of no file, and no flash", "verify absent.tgz", ops.NoFlash, `there is no file "absent.tgz": `},
		{"another kind of URL", "install ftp://bench/image.tgz --flash " + disk, ops.Invalid, "\nhint: of URLs, http:// and https:// are read"},
		{"no folder of trust", "verify --trust " + dir + "/absent --flash " + disk, ops.Invalid, "holdfast: verify: --trust: stat "},
		{"not confirmed", "boot active --flash " + flash, ops.NotConfirmed, "not confirmed"},
		{"host is not left", "boot active --yes --flash " + flash, ops.Refused, "--allow-kexec"},
		{"damaged image, looked at", "boot 1.3.125 --print --flash " + flash, ops.Invalid, "initrd.img: hash differs"},
		{"damaged image", "boot 1.3.125 --yes --allow-kexec --flash " + flash, ops.Invalid, "initrd.img: hash differs"},
		{"text for a kernel", "image pack --kernel " + text + " --version 1 -o " + out, ops.Invalid, "holdfast: image pack: "},
		{"bad version", "image pack --kernel " + kernel + " --version a/b -o " + out, ops.Usage, "version"},
		{"output exists", "image pack --kernel " + kernel + " --version 1 -o " + text, ops.Refused, "--force"},
		{"archive exists", "initramfs create --init " + made.binary + " -o " + text, ops.Refused, "--force"},
		{"output is an input", "image pack --kernel " + kernel + " --version 1 --force -o " + kernel, ops.Refused, "made of"},
		{"output has no folder", "image pack --kernel " + kernel + " --version 1 -o " + dir + "/no/where", ops.NotWritable, "folder"},
		{"bad slot", "disk create --kernel k --console c -o " + out + " --image pending=a.tgz", ops.Usage, "pending"},
		{"half an image", "disk create --kernel k --console c -o " + out + " --image active", ops.Usage, "want SLOT=ARCHIVE"},
		{"slot twice", "disk create --kernel k --console c -o " + out + " --image active=a --image active=b", ops.Usage, "given twice"},
		{"bad size", "disk create --kernel k --console c -o " + out + " --size 10T", ops.Usage, "--size"},
		{"no compression", "initramfs create -o " + out + " --compress zip", ops.Usage, "--compress"},
		{"no module", "initramfs create -o " + out + " --module ext4", ops.Invalid, "holdfast: initramfs create: "},
		{"not an archive", "initramfs list " + text, ops.Invalid, "offset 0"},
		{"absent archive", "initramfs check " + dir + "/absent", ops.Invalid, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errs := cli(strings.Fields(tt.args)...)
			if code != int(tt.code) || !strings.Contains(errs, tt.says) {
				t.Errorf("holdfast %s: exit %d, want %d saying %q:\n%s", tt.args, code, tt.code, tt.says, errs)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*out*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestBootPrint(t *testing.T) {
	code, out, errs := cli("boot", "active", "--print", "--append", "single", "--flash", demoFlash(t))
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"active, version 1.3.124", "6.1.0-56-appliance", "quiet acpi=off", "img=active single", "writes   nothing"} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
}

// TestDryRunWritesNothing runs every command there is with --dry-run. A new one needs its line here.
func TestDryRunWritesNothing(t *testing.T) {
	dir := t.TempDir()
	kernel := filepath.Join(dir, "kernel")
	must(t, os.WriteFile(kernel, kexectest.Kernel("6.1.0-test"), 0o644))
	must(t, os.CopyFS(filepath.Join(dir, "flash"), demoTarget().FS))
	must(t, os.Rename(lookDisk(t, "grub2"), filepath.Join(dir, "disk.img")))
	tool(t, "minisign", dir, "minisign", "-G", "-W", "-p", "pub", "-s", "key")
	commands := map[string]struct {
		args string
		code ops.Kind // 0 for success
	}{
		"console":           {"--demo", ops.Usage}, // it has no dry run, and says so
		"init":              {"", ops.Usage},
		"status":            {"--flash DIR/flash", 0},
		"verify":            {"active --flash DIR/flash", 0},
		"image inspect":     {"DIR/new.tgz", 0},
		"image sign":        {"--key DIR/key DIR/flash/system/active", 0},
		"default show":      {"--flash DIR/disk.img", 0},
		"default set":       {"backup --yes --flash DIR/disk.img", 0},
		"default set-entry": {"2 --yes --flash DIR/disk.img", 0},
		"confirm":           {"--slot backup --flash DIR/disk.img", 0},
		"install":           {"DIR/new.tgz --yes --flash DIR/disk.img", 0},
		"rotate":            {"--yes --flash DIR/disk.img", 0},
		"remove":            {"backup --yes --flash DIR/disk.img", 0},
		"repair":            {"--yes --flash DIR/disk.img", 0},
		"boot":              {"active --yes --allow-kexec --flash DIR/flash", 0},
		"image pack":        {"--kernel DIR/kernel --version 1 -o DIR/a.tgz", 0},
		"initramfs create":  {"--init " + made.binary + " -o DIR/stage", 0},
		"initramfs list":    {made.console, 0},
		"initramfs check":   {made.console, 0},
		"initramfs extract": {made.console + " DIR/below/here", 0},
		"disk create":       {"--kernel DIR/kernel --console " + made.console + " --default maintenance -o DIR/disk", 0},
	}
	holdfast(t, "image", "pack", "--kernel", kernel, "--version", "2", "-o", filepath.Join(dir, "new.tgz"))
	before := treeOf(t, dir)
	for _, name := range runnable((&app{}).root()) {
		c, ok := commands[name]
		if !ok {
			t.Errorf("%s: what does it do with --dry-run? Say it in the table", name)
			continue
		}
		args := strings.Fields(name + " --dry-run " + strings.ReplaceAll(c.args, "DIR", dir))
		code, out, errs := cli(args...)
		if code != int(c.code) || out == "" && name != "initramfs check" && code == 0 {
			t.Errorf("%q: exit %d, printed %q: %s", args, code, out, errs)
		}
		if after := treeOf(t, dir); !slices.Equal(after, before) {
			t.Fatalf("%s --dry-run wrote: %q, before %q", name, after, before)
		}
	}
}

// runnable are the names of the commands below cmd that do something themselves.
func runnable(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.Hidden {
			continue // it is for this program alone
		}
		if c.HasSubCommands() {
			names = append(names, runnable(c)...)
		} else {
			_, name, _ := strings.Cut(c.CommandPath(), " ")
			names = append(names, name)
		}
	}
	return names
}

// treeOf is every file below dir with its size and time.
func treeOf(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, fmt.Sprint(path, info.Mode(), info.Size(), info.ModTime()))
		}
		return err
	}))
	return all
}

// TestExtractSays what it does, in a line for every reason to leave something out.
func TestExtractSays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	code, out, errs := cli("initramfs", "extract", "--dry-run", made.console, dir)
	said := regexp.MustCompile(`^unpack (\d+) of (\d+) entries, (\d+) bytes, below `).FindStringSubmatch(out)
	if code != 0 || said == nil {
		t.Fatalf("exit %d: %q, %s", code, out, errs)
	}
	code, _, errs = cli("initramfs", "extract", made.console, dir)
	if code != 0 || !regexp.MustCompile(`^skipped: dev/console and \d+ more: device nodes are not made\n$`).MatchString(errs) {
		t.Errorf("exit %d: %q", code, errs)
	}
	if made := fmt.Sprint(len(treeOf(t, dir)) - 1); said[1] != made { // without dir itself
		t.Errorf("it said it would make %s entries, there are %s", said[1], made)
	}
	lines := skippedLines([]initramfs.Skipped{{Path: "dev/console", Reason: "no"}})
	if want := []string{"skipped: dev/console: no"}; !slices.Equal(lines, want) {
		t.Errorf("skippedLines of one = %q, want %q", lines, want)
	}
}

// TestHelp: every command has a summary, and one that does something has an example.
func TestHelp(t *testing.T) {
	a := &app{}
	for _, cmd := range a.root().Commands() {
		for _, c := range append(cmd.Commands(), cmd) {
			if !c.Hidden && (c.Short == "" || c.Runnable() && !c.HasSubCommands() && c.Example == "" && c.Name() != "init") {
				t.Errorf("%s: summary %q, example %q", c.CommandPath(), c.Short, c.Example)
			}
		}
	}
}
