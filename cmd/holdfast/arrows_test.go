package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// layers are the trees of packages with their heights: a package imports from its own tree and from
// lower ones, so the three leaves do not import each other.
var layers = []struct {
	tree   string
	height int
}{
	{"holdfast/cmd", 3},
	{"holdfast/tui", 2},
	{"holdfast/ops", 1},
	{"holdfast/flash", 0},
	{"holdfast/kexec", 0},
	{"holdfast/initramfs", 0},
}

// only names the modules that one tree keeps to itself, and why.
var only = []struct{ module, tree, why string }{
	{"charm.land/", "holdfast/tui", "what knows the screen cannot run from a script"},
	{"github.com/spf13/cobra", "holdfast/cmd", "flags are parsed in one place"},
}

// goPackage is what `go list` says of a package.
type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json", "holdfast/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func within(pkg, tree string) bool {
	return pkg == tree || strings.HasPrefix(pkg, tree+"/")
}

// layerOf is the index of a package's layer, -1 when it has none.
func layerOf(pkg string) int {
	for i, l := range layers {
		if within(pkg, l.tree) {
			return i
		}
	}
	return -1
}

func TestImportArrows(t *testing.T) {
	pkgs := listPackages(t)
	if len(pkgs) < 10 {
		t.Fatalf("go list names only %d packages", len(pkgs))
	}
	for _, p := range pkgs {
		for _, imp := range p.Imports {
			if why := forbidden(p.ImportPath, imp); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, why)
			}
		}
	}
}

// forbidden says why pkg must not import imp; "" when it may.
func forbidden(pkg, imp string) string {
	for _, o := range only {
		if strings.HasPrefix(imp, o.module) && !within(pkg, o.tree) {
			return o.why
		}
	}
	if !within(imp, "holdfast") {
		return ""
	}
	from, to := layerOf(pkg), layerOf(imp)
	switch {
	case from < 0 || to < 0:
		return "it belongs to no layer; see the table"
	case from != to && layers[from].height <= layers[to].height:
		return "arrows point down only: cmd -> tui -> ops -> flash, kexec, initramfs"
	}
	return ""
}

func TestForbidden(t *testing.T) {
	tests := []struct {
		pkg, imp string
		bad      bool
	}{
		{"holdfast/cmd/holdfast", "holdfast/kexec", false},
		{"holdfast/cmd/holdfast", "charm.land/bubbletea/v2", true},
		{"holdfast/tui", "charm.land/bubbletea/v2", false},
		{"holdfast/tui", "holdfast/ops/boot", false},
		{"holdfast/ops/boot", "holdfast/tui", true},
		{"holdfast/ops/boot", "charm.land/lipgloss/v2", true},
		{"holdfast/ops/boot", "holdfast/ops", false},
		{"holdfast/flash", "holdfast/kexec", true},
		{"holdfast/kexec", "holdfast/initramfs", true},
		{"holdfast/flash/grub", "holdfast/flash", false},
		{"holdfast/flash", "holdfast/ops", true},
		{"holdfast/misc", "holdfast/flash", true},
	}
	for _, tt := range tests {
		if got := forbidden(tt.pkg, tt.imp); (got != "") != tt.bad {
			t.Errorf("forbidden(%s, %s) = %q, want bad = %v", tt.pkg, tt.imp, got, tt.bad)
		}
	}
}
