package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/flash"
	"holdfast/kexec"
	"holdfast/ops/boot"
	"holdfast/ops/status"
)

// labelWidth is the column beside which details stand.
const labelWidth = 11

var origins = map[kexec.Origin]string{
	kexec.FromImage:    "image",
	kexec.FromConsole:  "console",
	kexec.FromLocal:    "local",
	kexec.FromHoldfast: "holdfast",
	kexec.FromOperator: "operator",
}

// commandLine is a composed command line, a group of lines for each origin: who gave a word is read
// at its left.
func commandLine(c kexec.CommandLine, width int) []line {
	var lines []line
	for i := 0; i < len(c.Words); {
		origin := c.Words[i].Origin
		var words []string
		for ; i < len(c.Words) && c.Words[i].Origin == origin; i++ {
			words = append(words, c.Words[i].Text)
		}
		lines = append(lines, labelled("  "+origins[origin], strings.Join(words, " "), labelWidth, width)...)
	}
	var out []string
	for _, w := range c.Dropped {
		out = append(out, w.Text)
	}
	if len(out) > 0 {
		lines = append(lines, labelled("  left out", strings.Join(out, " "), labelWidth, width)...)
	}
	return lines
}

// details is what is known of an image beyond its row in the list.
func (v *view) details(img status.Image, width int) []line {
	var lines []line
	for _, p := range img.Problems {
		lines = append(lines, labelledIn("problem", p, labelWidth, width, bad)...)
	}
	if !img.Present {
		return append(lines, plain("There is no image in this slot."))
	}
	lines = append(lines, labelled("arguments", dash(strings.Join(kexec.ParseArguments(img.Arguments), " ")), labelWidth, width)...)
	plan, err := boot.Request{Report: v.snap.Report, Image: img.Name, Consoles: v.kernel, Operator: v.console}.Plan()
	head := "boots with"
	if err != nil {
		head = "would boot with"
	}
	lines = append(lines, plain(head))
	lines = append(lines, commandLine(plan.CommandLine, width)...)
	for _, w := range plan.Warnings {
		lines = append(lines, labelled("note", w, labelWidth, width)...)
	}
	return lines
}

// pane is the details below the list, cut to height; Enter shows all of them.
func (v *view) pane(width, height int) []line {
	img, ok := v.image()
	if !ok || height < 2 {
		return nil
	}
	lines := append([]line{v.theme.heading(imageName(img), width)}, v.details(img, width)...)
	if len(lines) > height {
		lines = append(lines[:height-1], plain("  (Enter shows all)"))
	}
	return lines
}

// detailsScreen is everything about the selected image.
type detailsScreen struct {
	view *view
	text pager
}

// Is tells which screen this is.
func (s *detailsScreen) Is() screenKind { return detailsKind }

// Keys are those of a text, and the one for a mark where there is one.
func (s *detailsScreen) Keys() []key.Binding {
	k := s.view.keys
	keys := []key.Binding{k.Back, k.pair("scroll")}
	if s.marked() {
		k.Clear.SetHelp("c", "clear mark")
		return append([]key.Binding{k.Clear}, keys...)
	}
	return keys
}

// marked reports whether the image did not confirm in its tries.
func (s *detailsScreen) marked() bool {
	img, ok := s.view.image()
	return ok && img.Entry.State == flash.Bad
}

// Update scrolls, or asks to clear the mark.
func (s *detailsScreen) Update(k tea.KeyPressMsg) move {
	if key.Matches(k, s.view.keys.Clear) && s.marked() {
		img, _ := s.view.image()
		return showTask(s.view, Task{Verb: Clears, Object: img.Name})
	}
	return move{taken: s.text.Update(k, s.view.keys)}
}

// View shows what the list has no room for, too.
func (s *detailsScreen) View(width, height int) []line {
	v := s.view
	img, ok := v.image()
	if !ok {
		return v.absent(width)
	}
	field := func(label, text string) []line { return labelled(label, dash(text), labelWidth, width) }
	var lines []line
	lines = append(lines, labelledIn("state", v.stateOf(img), labelWidth, width, worthStyle(img))...)
	if img.Present && img.Broken != "" && !slices.Contains(img.Problems, img.Broken) {
		lines = append(lines, labelledIn("no boot", img.Broken, labelWidth, width, bad)...)
	}
	if img.Present {
		lines = append(lines, labelled("boots", booted(img), labelWidth, width)...)
		lines = append(lines, field("version", img.Version)...)
		lines = append(lines, field("kernel", img.Header.Version)...)
		lines = append(lines, field("size", sizeOf(img))...)
		lines = append(lines, field("directory", img.Dir)...)
		lines = append(lines, field("manifest", manifest(img))...)
		lines = append(lines, field("signed by", cmp.Or(img.Signer, img.Remark))...)
		if !img.ID.IsZero() {
			lines = append(lines, field("ID", img.ID.String())...)
		}
		lines = append(lines, field("initrd", img.Initrd)...)
	}
	lines = append(lines, v.details(img, width)...)
	return append([]line{v.theme.heading(imageName(img), width)}, s.text.window(lines, height-1)...)
}

// booted says in a sentence how the image has booted so far.
func booted(img status.Image) string {
	e := img.Entry
	since := ""
	if !e.Since.IsZero() {
		since = ", since " + e.Since.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	switch e.State {
	case flash.Confirmed:
		return "confirmed: it booted well and said so" + since
	case flash.Trial:
		return fmt.Sprintf("on trial: %d tries left to say that it booted well%s", e.Tries, since)
	case flash.Bad:
		return "bad: it did not say in its tries that it booted well" + since + "; c clears the mark"
	}
	return "unknown: nobody has told"
}

func manifest(img status.Image) string {
	if len(img.Manifest.Sums) == 0 {
		return "none"
	}
	return img.Manifest.Algorithm.String()
}
