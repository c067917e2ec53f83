package initramfs

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"holdfast/initramfs/elfdeps"
	"holdfast/initramfs/newc"
)

// Problem is something in an initramfs that will go wrong, or may.
type Problem struct {
	Path    string // in the archive; "" when the problem is not one file's
	Text    string
	Warning bool // it may go wrong, on some kernels or only if it was not meant
}

func (p Problem) String() string {
	text := p.Text
	if p.Path != "" {
		text = "/" + p.Path + ": " + text
	}
	if p.Warning {
		return "warning: " + text
	}
	return text
}

// maxELF is the largest program that Check holds in memory to look into it.
const maxELF = 64 << 20

// Check reads the initramfs r, all layers, and gives what is wrong with it as the root file system of a
// starting kernel. The error is that of reading: then the problems are those met before it.
func Check(r io.Reader) ([]Problem, error) {
	archive := NewReader(r)
	defer archive.Close()
	c := checker{archive: archive, tree: tree{}, needs: map[string]elfdeps.Needs{}}
	for {
		f, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = c.record(f)
		}
		if err != nil {
			return c.problems, err
		}
	}
	c.layers()
	c.init()
	c.console()
	c.programs()
	c.moduleList()
	c.trust()
	return c.problems, nil
}

type checker struct {
	archive  *Reader
	tree     tree
	needs    map[string]elfdeps.Needs // of the programs and libraries, by path
	script   string                   // interpreter of /init where that is a script
	modules  []string
	problems []Problem
}

func (c *checker) fail(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) warn(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Text: fmt.Sprintf(format, args...), Warning: true})
}

// record looks at one record as it is laid over the tree.
func (c *checker) record(f File) error {
	if old, ok := c.tree[f.Path]; ok {
		c.overlay(old, f)
	}
	if dir := path.Dir(f.Path); dir != "." {
		if parent, ok := c.tree.find(dir); !ok || parent.Type() != newc.TypeDir {
			c.fail(f.Path, "the kernel cannot make it: /%s is not there before it", dir)
		}
	}
	// The content of a hard-linked file comes with one of its names; the others say 0 bytes.
	c.tree[f.Path] = f
	if f.Type() != newc.TypeRegular || f.Size == 0 {
		return nil
	}
	delete(c.needs, f.Path)
	if "/"+f.Path == ModuleListPath {
		var err error
		if c.modules, err = ReadModuleList(c.archive); err != nil {
			c.fail(f.Path, "%v", err)
		}
		return nil
	}
	return c.content(f)
}

func (c *checker) overlay(old, f File) {
	if old.Type() != f.Type() {
		c.warn(f.Path, "archive %d replaces a %s of archive %d by a %s", f.Layer+1, typeName(old), old.Layer+1, typeName(f))
		return
	}
	if f.Layer > old.Layer && f.Type() == newc.TypeRegular && f.NLink < 2 && f.Size < old.Size {
		c.warn(f.Path, "archive %d overwrites %d bytes by %d: old kernels leave the old end in place", f.Layer+1, old.Size, f.Size)
	}
}

func typeName(f File) string {
	switch f.Type() {
	case newc.TypeRegular:
		return "file"
	case newc.TypeDir:
		return "directory"
	case newc.TypeSymlink:
		return "symbolic link"
	}
	return "special file"
}

// content looks into a file: what an ELF program needs, and which interpreter a script /init has.
func (c *checker) content(f File) error {
	head := make([]byte, 256)
	n, err := io.ReadFull(c.archive, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return err
	}
	head = head[:n]
	if f.Path == "init" && bytes.HasPrefix(head, []byte("#!")) {
		c.script = scriptInterpreter(head)
	}
	if !bytes.HasPrefix(head, []byte("\x7fELF")) {
		return nil
	}
	if f.Size > maxELF {
		c.warn(f.Path, "too large to look for the libraries that it needs")
		return nil
	}
	program := bytes.NewBuffer(make([]byte, 0, f.Size))
	program.Write(head)
	if _, err := program.ReadFrom(c.archive); err != nil {
		return err
	}
	needs, err := elfdeps.Read(bytes.NewReader(program.Bytes()))
	switch {
	case err == elfdeps.ErrNotELF:
	case err != nil:
		c.fail(f.Path, "%v", err)
	default:
		c.needs[f.Path] = needs
	}
	return nil
}

func scriptInterpreter(head []byte) string {
	line, _, _ := bytes.Cut(head[2:], []byte("\n"))
	line = bytes.TrimSpace(line)
	name, _, _ := strings.Cut(string(line), " ")
	return name
}

func (c *checker) layers() {
	for _, l := range c.archive.Layers() {
		if l.Objection != "" {
			c.fail("", "the kernel refuses archive %d (%v, at offset %d): %s", l.Index+1, l.Compress, l.Offset, l.Objection)
		}
	}
}

func (c *checker) init() {
	f, ok := c.tree.find("init")
	switch {
	case !ok:
		c.fail("init", "not there: the kernel would look for a root file system instead")
	case f.Type() != newc.TypeRegular:
		c.fail("init", "is a %s", typeName(f))
	case f.Mode&0o111 == 0:
		c.fail("init", "is not executable")
	case c.script != "":
		if _, ok := c.tree.find(c.script); !ok {
			c.fail("init", "its interpreter %s is not there", c.script)
		}
	}
}

func (c *checker) console() {
	f, ok := c.tree.find("dev/console")
	if !ok {
		c.fail("dev/console", "not there: the first process has no standard input and output")
		return
	}
	if f.Type() != newc.TypeChar || f.RdevMajor != 5 || f.RdevMinor != 1 {
		c.fail("dev/console", "is not the device 5:1")
	}
}

// programs looks for the interpreter of each program, and for a file with the name of each library
// in any directory: where exactly a dynamic linker looks is its own affair.
func (c *checker) programs() {
	names := map[string]bool{}
	for p := range c.tree {
		if f, ok := c.tree.find(p); ok && f.Type() == newc.TypeRegular {
			names[path.Base(p)] = true
		}
	}
	paths := make([]string, 0, len(c.needs))
	for p := range c.needs {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		needs := c.needs[p]
		if needs.Interpreter != "" {
			if _, ok := c.tree.find(needs.Interpreter); !ok {
				c.fail(p, "cannot start: its dynamic linker %s is not there", needs.Interpreter)
			}
		}
		for _, lib := range needs.Libraries {
			if !names[path.Base(lib)] {
				c.fail(p, "its library %s is not there", lib)
			}
		}
	}
}

func (c *checker) moduleList() {
	for _, m := range c.modules {
		if _, ok := c.tree.find(m); !ok {
			c.fail(ModuleListPath[1:], "%s is not there", m)
		}
	}
}

// TrustPath is where an archive says whom the console believes: the files of flash/signature's ReadTrust.
const TrustPath = "/etc/holdfast"

// trust looks for keys where nothing is booted without a signature.
func (c *checker) trust() {
	dir := TrustPath[1:]
	required := path.Join(dir, "require-signature")
	if _, ok := c.tree[required]; !ok {
		return
	}
	for p := range c.tree {
		if path.Dir(p) == path.Join(dir, "keys") && path.Ext(p) == ".pub" {
			return
		}
	}
	c.fail(required, "signatures are required, and there is no key in /%s/keys: nothing would boot", dir)
}
