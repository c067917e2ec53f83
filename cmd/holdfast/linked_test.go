package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// unwanted are symbols whose presence would swell the stage, each with the reason and the bytes that
// may be there. cobra names text/template in a package variable, so the linker keeps its table of
// builtin functions; its parser and executor, and with them the reflection that would keep every
// method of every type, must stay out.
var unwanted = []struct {
	prefix string
	bytes  int
	why    string
}{
	{"html/template.", 0, "nothing here writes HTML"},
	{"text/template.(*Template)", 0, "help is printed without templates"},
	{"text/template.(*state)", 0, "help is printed without templates"},
	{"text/template/parse.", 256, "only two of its variables"},
	{"text/template.", 32 << 10, "only cobra's table of builtin functions"},
	{"reflect.Value.MethodByName", 0, "it keeps every method of every type"},
	{"reflect.(*rtype).MethodByName", 0, "it keeps every method of every type"},
	{"net/http.", 0, "the console does not speak HTTP yet"},
	{"testing.", 0, "the product is not a test"},
	{"go/ast.", 0, "the product is not a compiler"},
}

// TestLinkedProgram looks at what is in the program by its symbols, not at what is imported.
func TestLinkedProgram(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "holdfast")
	tool(t, "golang-go", "", "go", "build", "-trimpath", "-o", binary, ".")
	symbols, err := exec.Command("go", "tool", "nm", "-size", binary).Output()
	if err != nil {
		t.Fatalf("go tool nm: %v", err)
	}
	sizes := make([]int, len(unwanted))
	for _, line := range strings.Split(string(symbols), "\n") {
		fields := strings.Fields(line) // address, size, type, name
		if len(fields) < 4 {
			continue
		}
		size, _ := strconv.Atoi(fields[1])
		for i, u := range unwanted {
			if strings.HasPrefix(fields[3], u.prefix) {
				sizes[i] += max(size, 1)
			}
		}
	}
	for i, u := range unwanted {
		if sizes[i] > u.bytes {
			t.Errorf("%s: %d bytes are linked, at most %d: %s", u.prefix, sizes[i], u.bytes, u.why)
		}
	}
	if !strings.Contains(string(symbols), "github.com/spf13/cobra.(*Command).ExecuteC") {
		t.Error("the symbols do not even show cobra: this test sees nothing")
	}
}
