package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	imagearchive "holdfast/ops/archive"
)

func (a *app) imageInspectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect {ARCHIVE | URL | -}",
		Short: "read an archive whole and say what image it holds",
		Example: `  holdfast image inspect image.tgz
  ssh bench cat image.tgz | holdfast image inspect - --json`,
		Args:        cobra.ExactArgs(1),
		Annotations: printsJSON,
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := a.source(args[0])
			if err != nil {
				return err
			}
			trust, err := a.trusted()
			if err != nil && trust.Problem == "" {
				return err
			}
			return a.inspect(cmd.Context(), src, trust)
		},
	}
}

// inspect tells also of an image that this machine would not take what it is.
func (a *app) inspect(ctx context.Context, src imagearchive.Source, trust signature.Trust) error {
	lenient := trust
	lenient.Require = false
	p := &progress{out: a.err, live: isTerminal(a.err)}
	img, err := imagearchive.Copy(ctx, src, lenient, 0, imagearchive.Discard, p)
	p.done()
	if err != nil {
		return err
	}
	objection := img.Objection(trust)
	switch {
	case trust.Problem != "":
		objection = trust.Problem
	case trust.Require && img.Integrity != flash.Verified:
		objection = "this machine takes signed images only"
	}
	if a.json {
		return a.printJSON(inspectDocument(src, img, objection))
	}
	return a.print(inspectText(src, img, objection))
}

// inspected is the document of `image inspect --json`: sizes in bytes; what is not there is null.
type inspected struct {
	Archive   string           `json:"archive"`
	Format    string           `json:"format"`
	Version   *string          `json:"version"`
	Kernel    *string          `json:"kernel"`
	Arguments *string          `json:"arguments"`
	ID        string           `json:"id"`
	Members   map[string]int64 `json:"members"`
	Size      int64            `json:"size"`
	Integrity string           `json:"integrity"`
	Signer    *string          `json:"signer"`
	Model     *string          `json:"model"`
	Notes     []string         `json:"notes"`
	Objection *string          `json:"objection"`
}

func inspectDocument(src imagearchive.Source, img imagearchive.Image, objection string) inspected {
	known := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	d := inspected{Archive: src.Name, Format: img.Format, Version: known(img.Version), Kernel: known(img.Kernel),
		ID: fmt.Sprintf("%x", img.ID[:]), Members: img.Sizes, Size: img.Size(), Integrity: img.Integrity.String(),
		Signer: known(img.Signature.Signer), Model: known(img.Signature.Model), Notes: append([]string{}, img.Notes...), Objection: known(objection)}
	if _, ok := img.Sizes["kernel.arg"]; ok {
		d.Arguments = &img.Arguments
	}
	return d
}

func inspectText(src imagearchive.Source, img imagearchive.Image, objection string) string {
	var lines []ops.Line
	add := func(label, text string) {
		if text != "" {
			lines = append(lines, ops.Line{Label: label, Text: text})
		}
	}
	add("archive", shown(src.Name))
	add("format", img.Format)
	add("version", img.Version)
	add("kernel", img.Kernel)
	add("line", oneLine(img.Arguments))
	add("hashes", img.Integrity.String())
	if s := img.Signature; s.Signer != "" {
		add("signed", fmt.Sprintf("by %s (key %s): %s", s.Signer, s.KeyID, s.Comment))
		add("model", s.Model)
	}
	for _, name := range slices.Sorted(maps.Keys(img.Sizes)) {
		add("member", fmt.Sprintf("%-18s %11d bytes", name, img.Sizes[name]))
	}
	for _, note := range img.Notes {
		add("note", note)
	}
	add("against", objection)
	return ops.Join(lines) + "\n"
}

// oneLine is a text as one line that a terminal may have.
func oneLine(text string) string {
	words := strings.Join(strings.Fields(text), " ")
	if words == "" {
		return ""
	}
	return shown(words)
}
