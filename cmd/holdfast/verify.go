package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"holdfast/flash"
	"holdfast/ops"
	imagearchive "holdfast/ops/archive"
	"holdfast/ops/verify"
)

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [SLOT|VERSION|ARCHIVE]",
		Short: "check hashes and signatures of images on the flash, or of an archive",
		Example: `  holdfast verify                    every image and configuration on the flash
  holdfast verify backup --json      one image, for a script
  holdfast verify image.tgz          an archive; - is standard input`,
		Args:        cobra.MaximumNArgs(1),
		Annotations: printsJSON,
		RunE: func(cmd *cobra.Command, args []string) error {
			results, err := a.verify(cmd.Context(), append(args, "")[0])
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(verifyDocument(results))
			} else {
				err = a.print(verifyText(results))
			}
			return cmp.Or(err, bad(results))
		},
	}
}

// verify checks what the name says: an archive when there is such a file, and an image of the flash when
// there is none.
func (a *app) verify(ctx context.Context, name string) ([]verify.Result, error) {
	p := &progress{out: a.err, live: isTerminal(a.err)}
	defer p.done()
	if src, ok, err := a.archiveSource(name); ok || err != nil {
		if err != nil {
			return nil, err
		}
		trust, err := a.trusted()
		if err != nil {
			return nil, err
		}
		result, err := verify.Archive(ctx, src, trust, p)
		return []verify.Result{result}, err
	}
	r, err := a.report()
	if err != nil {
		return nil, a.noFile(name, err)
	}
	return verify.Flash(ctx, r, name, p)
}

// noFile says of an error about a name which no image has, or for which there is no flash to look at, that there is
// no archive of that name either.
func (a *app) noFile(name string, err error) error {
	var e *ops.Error
	if name == "" || slices.Contains(flash.Slots[:], name) || !errors.As(err, &e) || e.Kind != ops.Usage && (e.Kind != ops.NoFlash || a.flash != "") {
		return err
	}
	what := "there is no file " + strconv.Quote(name)
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		what = strconv.Quote(name) + " is a folder, and no archive"
	}
	return &ops.Error{Kind: e.Kind, Op: e.Op, Step: what, Err: err, Hint: e.Hint}
}

// archiveSource opens an archive by its name. False for a name that is not one of a file, a URL, nor
// standard input.
func (a *app) archiveSource(name string) (imagearchive.Source, bool, error) {
	switch info, err := os.Stat(name); {
	case name == "" || slices.Contains(flash.Slots[:], name):
		return imagearchive.Source{}, false, nil
	case name == "-", imagearchive.IsURL(name), err == nil && !info.IsDir(), strings.Contains(name, "/"):
		src, err := a.source(name)
		return src, true, err
	}
	return imagearchive.Source{}, false, nil
}

// bad is the error for results of which not all are good.
func bad(results []verify.Result) error {
	n := 0
	for _, r := range results {
		if !r.Good {
			n++
		}
	}
	switch {
	case n == 0:
		return nil
	case len(results) == 1:
		return invalid(errors.New(results[0].Name + " is not as it should be"))
	}
	return invalid(fmt.Errorf("%d of %d are not as they should be", n, len(results)))
}

// verifyText is a line for each thing, and below it each of its problems.
func verifyText(results []verify.Result) string {
	var lines bytes.Buffer
	table := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	for _, r := range results {
		state := r.Integrity.String()
		if r.Signer != "" {
			state += ", signed by " + shown(r.Signer)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", shown(r.Name), dash(shown(r.Version)), state)
	}
	_ = table.Flush() // into memory
	var text strings.Builder
	for _, r := range results {
		line, _ := lines.ReadString('\n')
		text.WriteString(line)
		for _, note := range append(slices.Clone(r.Problems), r.Remarks...) {
			fmt.Fprintf(&text, "  %s\n", shown(note))
		}
	}
	return text.String()
}

// verified is the document of `verify --json`.
type verified struct {
	Good    bool           `json:"good"`
	Checked []verifiedItem `json:"checked"`
}

// verifiedItem is an image, a configuration or an archive.
type verifiedItem struct {
	Name      string   `json:"name"`
	Version   *string  `json:"version"`
	Integrity string   `json:"integrity"` // as status --json has it
	Signer    *string  `json:"signer"`    // name of the key
	Good      bool     `json:"good"`
	Problems  []string `json:"problems"`
	Remarks   []string `json:"remarks"`
}

func verifyDocument(results []verify.Result) verified {
	d := verified{Good: bad(results) == nil, Checked: []verifiedItem{}}
	for _, r := range results {
		d.Checked = append(d.Checked, verifiedItem{
			Name: r.Name, Version: orNull(r.Version), Integrity: r.Integrity.String(), Signer: orNull(r.Signer), Good: r.Good,
			Problems: append([]string{}, r.Problems...), Remarks: append([]string{}, r.Remarks...),
		})
	}
	return d
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
