package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"unicode"

	"github.com/spf13/cobra"

	"holdfast/initramfs"
	"holdfast/initramfs/newc"
	"holdfast/ops"
	"holdfast/ops/output"
)

func (a *app) initramfsListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list FILE",
		Short:   "list what is in an archive, all its layers",
		Example: "  holdfast initramfs list console.cpio.zst",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openArchive(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			files, err := initramfs.List(f)
			for _, entry := range files {
				fmt.Fprintln(a.out, listing(entry))
			}
			return f.failed(err)
		},
	}
}

// listing is a line of the list: mode, owner, size or device numbers, path, target, and the layer
// where there are several.
func listing(f initramfs.File) string {
	size := fmt.Sprint(f.Size)
	if f.FileMode()&fs.ModeDevice != 0 {
		size = fmt.Sprintf("%d,%d", f.RdevMajor, f.RdevMinor)
	}
	line := fmt.Sprintf("%s %d/%d %9s %s", modeString(f.FileMode()), f.UID, f.GID, size, shown(f.Path))
	if f.Target != "" {
		line += " -> " + shown(f.Target)
	}
	if f.Layer > 0 {
		line += fmt.Sprintf("  (archive %d)", f.Layer+1)
	}
	return line
}

// shown is a name as it may go to a terminal: one that could drive it is quoted.
func shown(name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return strconv.Quote(name)
		}
	}
	return name
}

// modeString is a mode as ls -l shows it.
func modeString(m fs.FileMode) string {
	kinds := []struct {
		bits fs.FileMode
		kind byte
	}{
		{fs.ModeCharDevice, 'c'}, {fs.ModeDevice, 'b'}, {fs.ModeDir, 'd'},
		{fs.ModeSymlink, 'l'}, {fs.ModeNamedPipe, 'p'}, {fs.ModeSocket, 's'},
	}
	text := []byte(m.Perm().String())
	for _, k := range kinds {
		if m&k.bits != 0 {
			text[0] = k.kind
			break
		}
	}
	if m&fs.ModeSticky != 0 {
		text[len(text)-1] = 't'
	}
	return string(text)
}

func (a *app) initramfsExtractCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "extract FILE DIR",
		Short:   "unpack an archive, all its layers, below a directory",
		Example: "  holdfast initramfs extract console.cpio.zst ./stage",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openArchive(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if a.dryRun {
				return a.describeExtract(f, args[1])
			}
			return a.extract(f, args[1])
		},
	}
}

// describeExtract says what extract would do.
func (a *app) describeExtract(f *archive, dir string) error {
	files, err := initramfs.List(f)
	if err != nil {
		return f.failed(err)
	}
	var made, bytes int64
	for _, file := range files {
		switch file.Type() {
		case newc.TypeRegular, newc.TypeDir, newc.TypeSymlink:
			made, bytes = made+1, bytes+int64(file.Size)
		}
	}
	fmt.Fprintf(a.out, "unpack %d of %d entries, %d bytes, below %s\n", made, len(files), bytes, dir)
	return nil
}

func (a *app) extract(f *archive, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &ops.Error{Kind: output.Kind(err), Err: err}
	}
	skipped, err := initramfs.Extract(f, dir)
	for _, line := range skippedLines(skipped) {
		fmt.Fprintln(a.err, line)
	}
	if err != nil && f.ctx.Err() != nil {
		return fmt.Errorf("interrupted; %s holds a part of the archive", dir)
	}
	if kind := output.Kind(err); err != nil && kind != ops.Internal {
		return &ops.Error{Kind: kind, Err: err}
	}
	return f.failed(err)
}

// skippedLines is a line for every reason: a console's archive has device nodes enough to hide
// the rest.
func skippedLines(skipped []initramfs.Skipped) []string {
	var reasons []string
	paths := map[string][]string{}
	for _, s := range skipped {
		if paths[s.Reason] == nil {
			reasons = append(reasons, s.Reason)
		}
		paths[s.Reason] = append(paths[s.Reason], s.Path)
	}
	var lines []string
	for _, reason := range reasons {
		line := "skipped: " + paths[reason][0]
		if more := len(paths[reason]) - 1; more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		lines = append(lines, line+": "+reason)
	}
	return lines
}

func (a *app) initramfsCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE",
		Short:   "look for what would keep an archive from booting",
		Example: "  holdfast initramfs check console.cpio.zst",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openArchive(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			problems, err := initramfs.Check(f)
			bad := 0
			for _, p := range problems {
				fmt.Fprintln(a.out, p)
				if !p.Warning {
					bad++
				}
			}
			if err == nil && bad > 0 {
				err = fmt.Errorf("%d problems", bad)
			}
			return f.failed(err)
		},
	}
}

// archive is an archive's file, whose reading ends with ctx.
type archive struct {
	ctx  context.Context
	file *os.File
}

func openArchive(ctx context.Context, name string) (*archive, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, invalid(err)
	}
	return &archive{ctx, f}, nil
}

func (f *archive) Close() error { return f.file.Close() }

func (f *archive) Read(b []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.file.Read(b)
}

// failed is what an error of reading the archive means: that nobody wants it any more, or that the
// archive is not right. nil for nil.
func (f *archive) failed(err error) error {
	if err != nil && f.ctx.Err() != nil {
		return f.ctx.Err()
	}
	return invalid(err)
}

// invalid is an error about what was read, nil for nil.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return &ops.Error{Kind: ops.Invalid, Err: err}
}
