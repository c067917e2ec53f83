package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"holdfast/flash"
	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
	"holdfast/ops"
	"holdfast/ops/status"
)

// printStatus is the report for a person with 80 columns.
func printStatus(w io.Writer, r *status.Report) error {
	fmt.Fprintln(w, ops.Line{Label: "flash", Text: flashLine(r)})
	if last := r.Said(r.Record.Last); last != "" {
		fmt.Fprintln(w, ops.Line{Label: "last", Text: fmt.Sprintf("%s (%s)", shown(last), r.Record.Last.At.Format(time.RFC3339))})
	}
	if left := leftLine(r); left != "" {
		fmt.Fprintln(w, ops.Line{Label: "left", Text: left})
	}
	fmt.Fprintln(w)
	if err := printImages(w, r.Images); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, l := range defaultLines(r) {
		fmt.Fprintln(w, l)
	}
	for i, c := range r.Configs {
		l := ops.Line{Text: configLine(c)}
		if i == 0 {
			l.Label = "configs"
		}
		fmt.Fprintln(w, l)
	}
	for _, i := range r.Images {
		switch {
		case i.Remark != "":
			fmt.Fprintln(w, ops.Line{Label: "remark", Text: i.Name + ": " + shown(i.Remark)})
		case i.Broken == status.Unsigned:
			fmt.Fprintln(w, ops.Line{Label: "remark", Text: i.Name + ": " + i.Broken + ", which this machine requires"})
		}
	}
	problems := r.AllProblems()
	if len(problems) == 0 {
		_, err := fmt.Fprintln(w, "\nno problems")
		return err
	}
	fmt.Fprintln(w, "\nproblems")
	for _, p := range problems {
		if _, err := fmt.Fprintf(w, "  %s\n", shown(p)); err != nil {
			return err
		}
	}
	return nil
}

// leftLine says that an operation has begun and not ended, "" when there is none: what it has left, which a look from
// outside cannot tell from what one is at work on.
func leftLine(r *status.Report) string {
	var left []string
	for _, i := range r.Left {
		left = append(left, shown(strings.TrimSuffix(i.Name+" "+i.Version, " ")))
	}
	if len(left) == 0 && r.Record.Pending == nil {
		return ""
	}
	text := "an operation is under way or was interrupted"
	if len(left) > 0 {
		text += " (" + strings.Join(left, ", ") + ")"
	}
	return text + "; to put it right: holdfast repair"
}

// flashLine is what the flash is, without what is not known.
func flashLine(r *status.Report) string {
	t := r.Target
	parts := []string{t.Name}
	for _, s := range []string{t.Type, t.Access} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	parts = append(parts, r.Layout.String()+" layout")
	if t.Volume != nil && t.Volume.Size > 0 {
		parts = append(parts, mib(t.Volume.Size))
	}
	if t.Volume != nil {
		if free, err := t.Volume.Free(); err == nil {
			parts = append(parts, mib(free)+" free")
		}
	}
	return strings.Join(parts, ", ")
}

func printImages(w io.Writer, images []status.Image) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "image\tversion\tkernel\tsize\tstate")
	for _, i := range images {
		size := ""
		if i.Present {
			size = mib(i.Size)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", i.Name, dash(i.Version), dash(i.Header.Version), dash(size), imageState(i))
	}
	return table.Flush()
}

func imageState(i status.Image) string {
	if !i.Present {
		return "empty"
	}
	words := []string{integrity(i.Integrity)}
	if i.Signer != "" {
		words[0] += " by " + shown(i.Signer)
	}
	if i.Broken != "" && i.Integrity != flash.Damaged {
		words = append(words, "cannot boot")
	}
	switch state := i.Entry.State; {
	case i.Staged && state == flash.Untold:
		words = append(words, "staged")
	case i.Staged:
		words = append(words, "staged", state.String())
	case state == flash.Trial:
		words = append(words, fmt.Sprintf("trial, %d left", i.Entry.Tries))
	case state != flash.Untold:
		words = append(words, state.String())
	}
	return strings.Join(words, ", ")
}

func integrity(i flash.Integrity) string {
	if i == flash.Unknown {
		return "not checked"
	}
	return i.String()
}

func configLine(c status.Config) string {
	if !c.Present {
		return c.Name + "  none"
	}
	size := fmt.Sprintf("%d bytes", c.Size)
	if c.Size >= 1<<10 {
		size = fmt.Sprintf("%.1f KiB", float64(c.Size)/(1<<10))
	}
	line := fmt.Sprintf("%s  %s, %s", c.Name, size, integrity(c.Integrity))
	if c.Integrity == flash.Intact {
		line += fmt.Sprintf(", %d files", c.Files)
	}
	return line
}

func dash(s string) string { return cmp.Or(s, "-") }

// defaultLines is the saved default, with its place on the disk.
func defaultLines(r *status.Report) []ops.Line {
	b := r.Boot
	if b == nil {
		return []ops.Line{{Label: "default", Text: "not known"}}
	}
	lines := []ops.Line{{Label: "default", Text: savedEntry(b, b.Saved.Entry())}}
	if once := b.Saved.Once(); once != "" {
		lines = append(lines, ops.Line{Label: "once", Text: savedEntry(b, once)})
	}
	if b.Place.Path != "" {
		lines = append(lines, ops.Line{Label: "file", Text: fmt.Sprintf("%s (%v)", b.Place.Path, b.Place.Form)})
	}
	if where := defaultPlace(r); where != "" {
		lines = append(lines, ops.Line{Label: "place", Text: where})
	}
	names := r.BootDocument().NextBoot
	for i := range names {
		names[i] = shown(names[i])
	}
	return append(lines, ops.Line{Label: "next", Text: dash(strings.Join(names, ", "))})
}

// defaultPlace is where the saved default lies, "" when that is not known.
func defaultPlace(r *status.Report) string {
	v := r.Target.GRUB.Volume
	if v == nil || r.Boot.Blocks == (blockmap.Place{}) {
		return ""
	}
	where := fmt.Sprintf("sector %v of ", r.Boot.Blocks)
	switch {
	case v.Disk == "":
		return where + v.Name
	case r.Boot.Place.Form == grub.Stage2:
		return where + v.Disk + " (stage2)"
	case v.Partition > 0:
		where += fmt.Sprintf("partition %d of ", v.Partition)
	}
	return where + v.Disk
}

// savedEntry is an entry as it is saved, and what the menu makes of it.
func savedEntry(b *status.Boot, name string) string {
	if name == "" {
		return "nothing is saved"
	}
	text := "entry " + shown(name)
	e, ok := b.Menu.Find(name)
	s2, stage2 := b.Saved.(grub.Stage2Sector)
	switch {
	case stage2 && s2.Retry():
		return text + ", a state that GRUB keeps between retries"
	case !ok && len(b.Menu.Entries) > 0:
		return text + ", which is not in the menu"
	case ok && e.Title != name:
		text += ", " + shown(e.Title)
	}
	return text + boots(e)
}

// boots is what an entry boots, as far as that is known.
func boots(e grub.Entry) string {
	switch {
	case e.Slot != "":
		return ": " + e.Slot
	case e.Elsewhere != "":
		return fmt.Sprintf(": %s of partition %d", e.Elsewhere, e.Partition)
	}
	return ""
}

// entryLines is the menu, so that set-entry can be told a number of it.
func entryLines(b *status.Boot) []ops.Line {
	var lines []ops.Line
	for i, e := range b.Menu.Entries {
		l := ops.Line{Text: fmt.Sprintf("%-4s %s", e.Key, shown(e.Title)) + boots(e)}
		if i == 0 {
			l.Label = "menu"
		}
		lines = append(lines, l)
	}
	return lines
}
