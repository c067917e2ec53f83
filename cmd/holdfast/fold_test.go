package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"short", "default  0\n\nthen     1", "default  0\n\nthen     1"},
		{"as wide as the line", "writes   one two three\n", "writes   one two three\n"},
		{"under its label's text", "writes   one two three four five\n", "writes   one two three\n         four five\n"},
		{"spaces within are kept", "menu     0    Active image\n", "menu     0    Active\n         image\n"},
		{"indented", "problems\n  active: kernel.img: hash differs\n", "problems\n  active: kernel.img:\n    hash differs\n"},
		{"indented to the text", "         cur  none, but of a long name\n", "         cur  none,\n           but of a\n           long name\n"},
		{"a word too long", "file     boot/grub/x86_64-efi/default (grub)\n", "file     boot/grub/x86_64-efi/default\n         (grub)\n"},
		{"nothing but a word too long", "file     boot/grub/x86_64-efi/default\n", "file     boot/grub/x86_64-efi/default\n"},
		{"cells, not bytes", "default  äääää äääää ä\n", "default  äääää äääää ä\n"},
	} {
		if got := fold(c.text, 22); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestPlanOnTerminal: on a terminal a plan keeps to its columns, in a pipe its lines are whole.
func TestPlanOnTerminal(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "a-disk-image-with-a-name-of-some-length.img")
	b, err := os.ReadFile(lookDisk(t, "grub-legacy"))
	must(t, err)
	must(t, os.WriteFile(disk, b, 0o644))
	args := []string{"default", "set", "backup", "--dry-run", "--flash", disk}
	_, piped, _ := cli(args...)
	if strings.Count(piped, "\n") != 3 {
		t.Errorf("in a pipe:\n%s", piped)
	}
	cmd, _, text := onTerminal(t, made.binary, args...)
	text.wait(t, "\nthen ")
	must(t, cmd.Wait())
	shown := strings.ReplaceAll(text.String(), "\r", "")
	for line := range strings.Lines(shown[strings.Index(shown, "default "):]) {
		if n := utf8.RuneCountInString(line) - 1; n > 80 && !strings.Contains(line, filepath.Base(disk)) {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(shown, "\n         ") {
		t.Errorf("not folded:\n%s", shown)
	}
}
