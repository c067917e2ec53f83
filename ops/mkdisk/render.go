package mkdisk

import (
	"fmt"
	"strings"

	"holdfast/kexec"
)

// legacy is menu.lst. GRUB Legacy shows its menu on one terminal: the one where a key is pressed
// while it waits, else the first of the list; without --timeout it would wait for a key.
//
// Each entry names what it saves. Measured with Debian's 0.97-80 and "fallback 1 2 3 4": `savedefault
// fallback` saves 1, 2, 3 and 4 from the entries 0, 1, 2 and 3; in entry 4 it is an error, and GRUB falls
// back to entry 1. So it would do for all but the last, but only with that list, which fallbacks tells
// against. It comes first in an entry, so that a kernel that hangs GRUB while it loads is a try too.
func (m menu) legacy() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by holdfast disk create. Holdfast knows the entries by their numbers.\ndefault saved\ntimeout %d\nfallback %s\n", m.timeout, fallbacks())
	if m.serial != nil {
		terminals := "serial console"
		if m.vgaLast {
			terminals = "console serial"
		}
		fmt.Fprintf(&b, "serial --unit=%s --speed=%s\nterminal --timeout=%d %s\n", m.serial.unit, m.serial.speed, m.timeout, terminals)
	}
	for _, e := range m.entries {
		fmt.Fprintf(&b, "\ntitle %s\nsavedefault %d\nroot (hd0,%d)\nkernel %s %s\n", e.title, e.next, e.partition-1, e.kernel, e.line)
		if e.initrd != "" {
			fmt.Fprintf(&b, "initrd %s\n", e.initrd)
		}
	}
	return []byte(b.String())
}

// grub2 is grub.cfg. The disk is the one that GRUB was started from: its number may differ, and
// another disk may be a copy of it.
func (m menu) grub2() ([]byte, error) {
	var b strings.Builder
	b.WriteString("# Made by holdfast disk create. Holdfast knows the entries by their numbers.\n")
	if m.serial != nil {
		fmt.Fprintf(&b, "serial --unit=%s --speed=%s\nterminal_input console serial\nterminal_output console serial\n", m.serial.unit, m.serial.speed)
	}
	fmt.Fprintf(&b, `regexp --set=1:disk '^([^,]+),' "$root"
load_env
if [ -n "$next_entry" ]; then
	set default="$next_entry"
	set next_entry=
	save_env next_entry
else
	set default="$saved_entry"
fi
set fallback="%s"
set timeout=%d
`, fallbacks(), m.timeout)
	for _, e := range m.entries {
		words, err := grub2Words(e.line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.title, err)
		}
		fmt.Fprintf(&b, "\nmenuentry '%s' {\n\tset saved_entry=%d\n\tsave_env saved_entry\n\techo 'Loading %s ...'\n\tlinux ($disk,msdos%d)%s %s\n",
			e.title, e.next, e.title, e.partition, e.kernel, words)
		if e.initrd != "" {
			fmt.Fprintf(&b, "\tinitrd ($disk,msdos%d)%s\n", e.partition, e.initrd)
		}
		b.WriteString("}\n")
	}
	return []byte(b.String()), nil
}

// grub2Words protects words from GRUB 2's shell. GRUB puts quotes around a word that holds a space,
// and a backslash before every quote, which Linux does not understand (grub_create_loader_cmdline in
// grub-core/lib/cmdline.c); so the quotes of name="a b" are left out here, and "name=a b" arrives.
func grub2Words(line kexec.CommandLine) (string, error) {
	var quoted []string
	for _, word := range line.Words {
		if strings.ContainsAny(word.Text, `\'`) {
			return "", fmt.Errorf("kernel argument %s: GRUB 2 cannot pass ' or \\", word.Text)
		}
		quoted = append(quoted, "'"+strings.ReplaceAll(word.Text, `"`, "")+"'")
	}
	return strings.Join(quoted, " "), nil
}
