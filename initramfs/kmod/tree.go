// Package kmod knows which files a kernel module needs and in which order they load. It reads what
// depmod(8) wrote into lib/modules/VERSION: modules.dep(5), modules.softdep, modules.builtin and, for
// soft dependencies, the plain names of modules.alias. The order is that of modprobe(8).
package kmod

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Tree is the modules of one kernel.
type Tree struct {
	Dir     string // the directory .../lib/modules/VERSION on this machine
	Version string // of the kernel, the last element of Dir

	modules map[string]module // by Name
	builtin map[string]bool
	soft    map[string]softdep
	aliases map[string][]string // only aliases without wildcards
}

type module struct {
	file  string   // relative to Dir: "kernel/fs/fat/vfat.ko.xz"
	needs []string // files relative to Dir, first loaded first
}

type softdep struct{ pre, post []string }

// Name is a module's name in the one spelling used here: the file's name without directory, .ko and
// compression, with '-' as '_', which the kernel takes for the same.
func Name(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// Open reads the tree at dir, which is .../lib/modules/VERSION itself or a directory with exactly one
// lib/modules/VERSION below it.
func Open(dir string) (*Tree, error) {
	dir, err := locate(dir)
	if err != nil {
		return nil, fmt.Errorf("find kernel modules: %w", err)
	}
	t := &Tree{Dir: dir, Version: filepath.Base(dir)}
	for _, read := range []func() error{t.readDep, t.readBuiltin, t.readSoftdep, t.readAlias} {
		if err := read(); err != nil {
			return nil, fmt.Errorf("read kernel modules: %w", err)
		}
	}
	return t, nil
}

func locate(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "modules.dep")); err == nil {
		return filepath.Abs(dir)
	}
	found, err := filepath.Glob(filepath.Join(dir, "lib/modules/*/modules.dep"))
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 1:
		return filepath.Abs(filepath.Dir(found[0]))
	case 0:
		if _, err := os.Stat(dir); err != nil {
			return "", err
		}
		return "", fmt.Errorf("%s: neither modules.dep nor lib/modules/VERSION/modules.dep is in it (depmod -b makes it)", dir)
	}
	for i := range found {
		found[i] = filepath.Base(filepath.Dir(found[i]))
	}
	return "", fmt.Errorf("%s: modules of several kernels, name the directory of one: %s", dir, strings.Join(found, ", "))
}

// readDep reads lines "FILE: FILE...", where the last loads first.
func (t *Tree) readDep() error {
	t.modules = map[string]module{}
	return t.eachLine("modules.dep", func(line string) {
		file, needs, ok := strings.Cut(line, ":")
		if !ok {
			return
		}
		m := module{file: file}
		for _, f := range strings.Fields(needs) {
			m.needs = append([]string{f}, m.needs...)
		}
		t.modules[Name(file)] = m
	})
}

func (t *Tree) readBuiltin() error {
	t.builtin = map[string]bool{}
	return optional(t.eachLine("modules.builtin", func(line string) { t.builtin[Name(line)] = true }))
}

// readSoftdep reads lines "softdep NAME pre: NAME... post: NAME...". Words before either are ignored,
// as by modprobe. Several lines for one module add up; modprobe takes only the first, and leaves the
// rest to the kernel, which calls modprobe again: in our stage there is none to call.
func (t *Tree) readSoftdep() error {
	t.soft = map[string]softdep{}
	return optional(t.eachLine("modules.softdep", func(line string) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "softdep" {
			return
		}
		name := Name(words[1])
		s, none := t.soft[name], []string(nil)
		list := &none
		for _, w := range words[2:] {
			switch w {
			case "pre:":
				list = &s.pre
			case "post:":
				list = &s.post
			default:
				*list = append(*list, w)
			}
		}
		t.soft[name] = s
	}))
}

func (t *Tree) readAlias() error {
	t.aliases = map[string][]string{}
	return optional(t.eachLine("modules.alias", func(line string) {
		words := strings.Fields(line)
		if len(words) == 3 && words[0] == "alias" && !strings.ContainsAny(words[1], "*?[") {
			alias := Name(words[1])
			t.aliases[alias] = append(t.aliases[alias], Name(words[2]))
		}
	}))
}

func (t *Tree) eachLine(name string, line func(string)) error {
	f, err := os.Open(filepath.Join(t.Dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20) // a module with hundreds of dependencies has a long line
	for s.Scan() {
		if text := strings.TrimSpace(s.Text()); text != "" && text[0] != '#' {
			line(text)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// optional is err, except that a file that is not there is as good as an empty one.
func optional(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
