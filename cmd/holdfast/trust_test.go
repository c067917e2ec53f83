package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"

	"holdfast/flash/signature"
	"holdfast/ops"
)

// keyBench is a directory with minisign's keys release and stranger, a flash of the demonstration with a
// good 1.3.125, and etc, a directory of trust that knows release.
type keyBench struct{ dir, flash, etc string }

func newKeyBench(t *testing.T) keyBench {
	t.Helper()
	b := keyBench{dir: t.TempDir(), flash: demoFlash(t)}
	b.etc = filepath.Join(b.dir, "etc")
	for _, name := range []string{"release", "stranger"} {
		tool(t, "minisign", b.dir, "minisign", "-G", "-W", "-p", name+".pub", "-s", name+".key")
	}
	must(t, os.MkdirAll(filepath.Join(b.etc, "keys"), 0o755))
	must(t, os.Rename(filepath.Join(b.dir, "release.pub"), filepath.Join(b.etc, "keys", "release.pub")))
	initrd := filepath.Join(b.flash, "system", "1.3.125", "initrd.img")
	image := readFile(t, initrd)
	image[1<<20] ^= 1
	must(t, os.WriteFile(initrd, image, 0o644))
	must(t, errors.Join(os.Remove(filepath.Join(b.flash, "cfg", "config.cur")), os.Remove(filepath.Join(b.flash, "cfg", "config.fac"))))
	return b
}

// cli runs the program with this flash and this trust.
func (b keyBench) cli(line string) (code int, out, errs string) {
	return cli(append(strings.Fields(line), "--flash", b.flash, "--trust", b.etc)...)
}

// sign signs an image of the flash.
func (b keyBench) sign(t *testing.T, key, image string) {
	t.Helper()
	code, _, errs := cli("image", "sign", "--key", filepath.Join(b.dir, key+".key"), "--model", "FW-2", filepath.Join(b.flash, "system", image))
	if code != 0 {
		t.Fatalf("image sign: exit %d: %s", code, errs)
	}
}

func (b keyBench) put(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(b.etc, name), []byte(text), 0o644))
}

// TestSignedFlash has active signed by a known key, backup by a stranger, the others not at all.
func TestSignedFlash(t *testing.T) {
	b := newKeyBench(t)
	b.sign(t, "release", "active")
	b.sign(t, "stranger", "backup")
	code, out, errs := b.cli("status")
	if code != 0 || !strings.Contains(out, "verified by release, confirmed\n") || !strings.Contains(out, "remark   backup: signed by a key that is not known here: ") ||
		!strings.HasSuffix(out, "no problems\n") {
		t.Errorf("status: exit %d\n%s%s", code, out, errs)
	}
	code, out, errs = b.cli("verify")
	want := []string{"active   1.3.124  verified, signed by release\n", "backup   1.3.121  intact\n  signed by a key that is not known here: ", "factory  1.2.0    intact\n", "1.3.125  1.3.125  intact\n"}
	if code != 0 || slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(out, w) }) {
		t.Errorf("verify: exit %d\n%s%s\nwant %q", code, out, errs, want)
	}
	b.put(t, "require-signature", "")
	tests := []struct {
		line string
		code ops.Kind
		says string // to either stream
	}{
		{"verify active", 0, "verified, signed by release"},
		{"verify backup", ops.Invalid, "\n  not signed by a key that is known here\n"},
		{"verify factory", ops.Invalid, "\n  not signed by a key that is known here\n"},
		{"verify", ops.Invalid, "holdfast: verify: 3 of 4 are not as they should be"},
		{"verify pending", ops.Usage, `no image "pending" on this flash, and no such file`},
		{"boot active --print", 0, "writes   nothing"},
		{"boot backup --print", ops.Invalid, "backup: not signed by a key that is known here\nhint: boot active instead"},
		{"boot 1.3.125 --print", ops.Invalid, "1.3.125: not signed by a key that is known here"},
		{"boot factory --yes --allow-kexec", ops.Invalid, "factory: not signed by a key that is known here"},
		{"status", 0, "remark   factory: not signed by a key that is known here, which this machine requires\n"},
		{"status", 0, "next     active, active, backup, backup, maintenance\n"},
	}
	for _, tt := range tests {
		if code, out, errs := b.cli(tt.line); code != int(tt.code) || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%s: exit %d, want %d saying %q\n%s%s", tt.line, code, tt.code, tt.says, out, errs)
		}
	}
}

// TestDefaultRequiresSignature: the boot default never names what the machine does not boot.
func TestDefaultRequiresSignature(t *testing.T) {
	b := newKeyBench(t)
	b.put(t, "require-signature", "")
	disk := lookDisk(t, "grub-legacy")
	before := readFile(t, disk)
	for _, args := range []string{"default set backup --yes", "default set-entry 3 --yes", "default set backup --dry-run"} {
		code, _, errs := cli(append(strings.Fields(args), "--flash", disk, "--trust", b.etc)...)
		if code != int(ops.Refused) || !strings.Contains(errs, "cannot boot, not signed by a key that is known here") || !bytes.Equal(before, readFile(t, disk)) {
			t.Errorf("%s: exit %d, want %d and the same disk\n%s", args, code, ops.Refused, errs)
		}
	}
	holdfast(t, "default", "set-entry", "1", "--yes", "--flash", disk)
	if code, out, errs := cli("confirm", "--slot", "active", "--flash", disk, "--trust", b.etc); code != 0 || !strings.Contains(out, "saved") && !strings.Contains(out, "0") {
		t.Errorf("what booted is confirmed whoever signed it: exit %d\n%s%s", code, out, errs)
	}
}

// TestVerifyJSON reads what a script would.
func TestVerifyJSON(t *testing.T) {
	b := newKeyBench(t)
	b.sign(t, "release", "active")
	must(t, os.WriteFile(filepath.Join(b.flash, "system/backup/kernel.arg"), []byte("other"), 0o644))
	code, out, errs := b.cli("verify --json")
	var got verified
	must(t, json.Unmarshal([]byte(out), &got))
	if code != int(ops.Invalid) || got.Good || len(got.Checked) != 4 || !strings.Contains(errs, "1 of 4") {
		t.Fatalf("exit %d, %+v\n%s", code, got, errs)
	}
	active, backup := got.Checked[0], got.Checked[1]
	if !active.Good || active.Integrity != "verified" || active.Signer == nil || *active.Signer != "release" || *active.Version != "1.3.124" {
		t.Errorf("active: %s", out)
	}
	if backup.Good || backup.Integrity != "damaged" || backup.Signer != nil || !slices.Equal(backup.Problems, []string{"kernel.arg: hash differs"}) {
		t.Errorf("backup: %s", out)
	}
	if strings.Contains(out, ": null") != true || strings.Contains(out, `"problems": null`) {
		t.Errorf("nulls: %s", out)
	}
}

// TestVerifyArchive signs archives and verifies them, by a file and by standard input.
func TestVerifyArchive(t *testing.T) {
	b := newKeyBench(t)
	in := func(name string) string { return filepath.Join(b.dir, name) }
	pack := func(name string, more ...string) {
		code, _, errs := cli(append([]string{"image", "pack", "--kernel", filepath.Join(b.flash, "system/active/kernel.img"), "--version", "1.3.126", "-o", in(name)}, more...)...)
		if code != 0 {
			t.Fatalf("image pack: exit %d: %s", code, errs)
		}
	}
	pack("plain.tgz")
	pack("packed.tgz", "--key", in("release.key"), "--model", "FW-2")
	pack("stranger.tgz", "--key", in("stranger.key"))
	if code, _, errs := cli("image", "sign", "--key", in("release.key"), "--model", "FW-2", "-o", in("signed.tgz"), in("plain.tgz")); code != 0 {
		t.Fatalf("image sign: exit %d: %s", code, errs)
	}
	damaged := readFile(t, in("signed.tgz"))
	must(t, os.WriteFile(in("cut.tgz"), damaged[:len(damaged)/2], 0o644))
	tests := []struct {
		name, setting string
		code          ops.Kind
		says          string
	}{
		{"signed.tgz", "", 0, "1.3.126  verified, signed by release\n"},
		{"packed.tgz", "", 0, "1.3.126  verified, signed by release\n"},
		{"plain.tgz", "", 0, "1.3.126  intact\n"},
		{"stranger.tgz", "", 0, "1.3.126  intact\n  signed by a key that is not known here: "},
		{"cut.tgz", "", ops.Invalid, "damaged\n  "},
		{"absent.tgz", "", ops.Invalid, "no such file"},
		{"signed.tgz", "model FW-3", 0, "it is for model FW-2, this machine is a FW-3"},
		{"signed.tgz", "require-signature", 0, "verified"},
		{"plain.tgz", "require-signature", ops.Invalid, "intact\n  not signed by a key that is known here\n"},
		{"stranger.tgz", "require-signature", ops.Invalid, "not signed by a key that is known here"},
	}
	for _, tt := range tests {
		file, text, _ := strings.Cut(tt.setting, " ")
		if file != "" {
			b.put(t, file, text+"\n")
		}
		code, out, errs := cli("verify", in(tt.name), "--trust", b.etc)
		if code != int(tt.code) || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%s with %q: exit %d, want %d saying %q\n%s%s", tt.name, tt.setting, code, tt.code, tt.says, out, errs)
		}
		if file != "" {
			must(t, os.Remove(filepath.Join(b.etc, file)))
		}
	}
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"verify", "-", "--trust", b.etc}, bytes.NewReader(readFile(t, in("signed.tgz"))), &out, &errs)
	if code != 0 || out.String() != "standard input  1.3.126  verified, signed by release\n" {
		t.Errorf("standard input: exit %d\n%s%s", code, &out, &errs)
	}
}

// TestBrokenTrust: what cannot be read stops whatever writes or boots, by its name, and is seen in the
// status. A good boot is confirmed all the same.
func TestBrokenTrust(t *testing.T) {
	b := newKeyBench(t)
	b.put(t, "keys/broken.pub", "hello\n")
	broken := filepath.Join(b.etc, "keys/broken.pub") + ": not a minisign public key"
	tests := []struct {
		line string
		code ops.Kind
	}{
		{"boot active --print", ops.Invalid},
		{"boot active --yes --allow-kexec", ops.Invalid},
		{"default set backup --yes", ops.Invalid},
		{"default set-entry 2 --yes", ops.Invalid},
		{"verify", ops.Invalid},
		{"verify " + made.console, ops.Invalid},
		{"status", 0},
		{"status --json", 0},
	}
	before := treeOf(t, b.flash)
	for _, tt := range tests {
		if code, out, errs := b.cli(tt.line); code != int(tt.code) || !strings.Contains(out+errs, broken) {
			t.Errorf("%s: exit %d, want %d saying %q\n%s%s", tt.line, code, tt.code, broken, out, errs)
		}
	}
	if after := treeOf(t, b.flash); !slices.Equal(after, before) {
		t.Errorf("written: %q, before %q", after, before)
	}
	if code, out, errs := b.cli("confirm --slot active"); code != 0 {
		t.Errorf("confirm: exit %d\n%s%s", code, out, errs)
	}
	for _, tt := range []struct {
		trust string
		code  ops.Kind
		says  string
	}{{"", ops.Usage, "--trust is empty"}, {b.dir + "/absent", ops.Invalid, "absent: no such file"}} {
		if code, _, errs := cli("status", "--flash", b.flash, "--trust="+tt.trust); code != int(tt.code) || !strings.Contains(errs, tt.says) {
			t.Errorf("--trust=%s: exit %d: %s", tt.trust, code, errs)
		}
	}
}

// TestTrustInArchive: the console's archive holds what ReadTrust reads.
func TestTrustInArchive(t *testing.T) {
	b := newKeyBench(t)
	key, archive, out := filepath.Join(b.etc, "keys", "release.pub"), filepath.Join(b.dir, "a.cpio"), filepath.Join(b.dir, "out")
	create := "initramfs create --compress none --force --init " + made.binary + " -o " + archive
	run := func(line string) (int, string) {
		code, out, errs := cli(strings.Fields(line)...)
		return code, out + errs
	}
	code, text := run(create + " --trust-key " + key + " --trust-key " + b.dir + "/stranger.pub --model FW-2 --min-version 1.3.0 --require-signature")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, text)
	}
	tool(t, "cpio", b.dir, "sh", "-c", "mkdir out && cd out && cpio -id --quiet 'etc/holdfast*' < ../a.cpio")
	got, err := signature.ReadTrust(filepath.Join(out, "etc/holdfast"))
	must(t, err)
	if len(got.Keys) != 2 || got.Keys[0].Name != "release" || got.Keys[1].Name != "stranger" || got.Model != "FW-2" || got.Floor != "1.3.0" || !got.Require {
		t.Errorf("ReadTrust = %+v", got)
	}
	if code, text := run("initramfs check " + archive); code != 0 {
		t.Errorf("initramfs check: exit %d: %s", code, text)
	}
	for _, tt := range []struct {
		flags string
		code  ops.Kind
		says  string
	}{
		{"--require-signature", ops.Usage, "without a --trust-key nothing would boot"},
		{"--trust-key " + b.dir + "/release.key", ops.Invalid, "release.key: not a minisign public key"},
		{"--trust-key " + b.dir + "/absent.pub", ops.Invalid, "no such file"},
		{"--trust-key " + key + " --trust-key " + key, ops.Invalid, "etc/holdfast/keys/release.pub"},
		{"--model=", ops.Usage, "--model is empty"},
		{"--min-version=", ops.Usage, "--min-version is empty"},
		{"--model a\x07b", ops.Usage, "one printable word"},
	} {
		if code, text := run(create + " " + tt.flags); code != int(tt.code) || !strings.Contains(text, tt.says) {
			t.Errorf("%s: exit %d, want %d saying %q: %s", tt.flags, code, tt.code, tt.says, text)
		}
	}
	if code, text := run(create + " --add " + key + ":/etc/holdfast/require-signature"); code != 0 {
		t.Fatalf("exit %d: %s", code, text)
	}
	if code, text := run("initramfs check " + archive); code != int(ops.Invalid) || !strings.Contains(text, "there is no key in /etc/holdfast/keys") {
		t.Errorf("initramfs check: exit %d: %s", code, text)
	}
}

// encrypted is a key with a password that nobody knows, and little scrypt to try one.
func encrypted(t *testing.T, b keyBench) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.SplitN(string(readFile(t, filepath.Join(b.dir, "release.key"))), "\n", 2)[1]))
	must(t, err)
	copy(raw[2:], "Sc")
	name := filepath.Join(b.dir, "encrypted.key")
	must(t, os.WriteFile(name, fmt.Appendf(nil, "untrusted comment: minisign encrypted secret key\n%s\n", base64.StdEncoding.EncodeToString(raw)), 0o600))
	return name
}

func TestPassword(t *testing.T) {
	b := newKeyBench(t)
	key, image := encrypted(t, b), filepath.Join(b.flash, "system", "active")
	code, _, errs := cli("image", "sign", "--key", key, image)
	if code != int(ops.NotConfirmed) || !strings.Contains(errs, "hint: give it by --password-file") {
		t.Errorf("without a terminal: exit %d: %s", code, errs)
	}
	must(t, os.WriteFile(filepath.Join(b.dir, "password"), []byte("wrong\n"), 0o600))
	code, _, errs = cli("image", "sign", "--key", key, "--password-file", filepath.Join(b.dir, "password"), image)
	if code != int(ops.Invalid) || !strings.Contains(errs, "encrypted.key: the password does not open this key") {
		t.Errorf("by a file: exit %d: %s", code, errs)
	}
	cmd, master, text := onTerminal(t, made.binary, "image", "sign", "--key", key, image)
	text.wait(t, "Password of ")
	_, err := master.WriteString("wrong\n")
	must(t, err)
	text.wait(t, "does not open this key")
	if code := exitCode(t, cmd); code != int(ops.Invalid) || strings.Contains(text.String(), "wrong") {
		t.Errorf("on a terminal: exit %d\n%s", code, text)
	}
}

// TestReadPassword: what is typed is the password, and no terminal shows it.
func TestReadPassword(t *testing.T) {
	master, tty, err := pty.Open()
	must(t, err)
	defer master.Close()
	defer tty.Close()
	_, err = master.WriteString("wrong\x7f\x7f\x7f\x7f\x7fcorrect horse \n")
	must(t, err)
	var asked screenText
	read := make(chan string, 1)
	go func() {
		password, err := readPassword(t.Context(), tty, &asked, "Password: ")
		read <- fmt.Sprint(password, err)
	}()
	asked.wait(t, "Password: ") // what was typed before is thrown away
	if echoes(t, tty) {
		t.Error("what is typed now is shown")
	}
	_, err = master.WriteString("battery\x7f \n")
	must(t, err)
	if got := <-read; got != "batter <nil>" {
		t.Errorf("readPassword = %q", got)
	}
	if !echoes(t, tty) {
		t.Error("the terminal is left without echo")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := readPassword(ctx, tty, &asked, "Password: "); err != context.Canceled || !echoes(t, tty) {
		t.Errorf("interrupted: readPassword = %q, %v", got, err)
	}
}
