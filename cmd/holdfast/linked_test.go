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
	{"net/http.", 3 << 20, "archives come by http and https: the client, which brings the server along"},
	{"net/http/httptest.", 0, "for tests"},
	{"testing.", 0, "the product is not a test"},
	{"go/ast.", 0, "the product is not a compiler"},
	{"holdfast/ops/bench/", 0, "the crash lab and the virtual machines are for tests"},
	{"github.com/hanwen/go-fuse/", 0, "only the crash lab serves a disk"},
}

// symbol is a symbol of the linked program.
type symbol struct {
	name string
	kind string // as nm has it: T is code, R constants, D and B variables
	size int    // bytes
}

// symbolsOf links the program and reads its symbols.
func symbolsOf(t testing.TB) []symbol {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "holdfast")
	tool(t, "golang-go", "", "go", "build", "-trimpath", "-o", binary, ".")
	text, err := exec.Command("go", "tool", "nm", "-size", binary).Output()
	if err != nil {
		t.Fatalf("go tool nm: %v", err)
	}
	var symbols []symbol
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // address, size, type, name
		if len(fields) < 4 {
			continue
		}
		size, _ := strconv.Atoi(fields[1])
		symbols = append(symbols, symbol{fields[3], strings.ToUpper(fields[2]), size})
	}
	return symbols
}

// TestLinkedProgram looks at what is in the program by its symbols, not at what is imported.
func TestLinkedProgram(t *testing.T) {
	sizes := make([]int, len(unwanted))
	seen := false
	for _, s := range symbolsOf(t) {
		seen = seen || s.name == "github.com/spf13/cobra.(*Command).ExecuteC"
		for i, u := range unwanted {
			if strings.HasPrefix(s.name, u.prefix) {
				sizes[i] += max(s.size, 1)
			}
		}
	}
	for i, u := range unwanted {
		if sizes[i] > u.bytes {
			t.Errorf("%s: %d bytes are linked, at most %d: %s", u.prefix, sizes[i], u.bytes, u.why)
		}
	}
	if !seen {
		t.Error("the symbols do not even show cobra: this test sees nothing")
	}
}

// weights are what the program is made of, by the beginnings of its symbols' names.
var weights = []struct{ name, prefixes string }{
	{"holdfast", "holdfast/ main."},
	{"screen", "charm.land/ github.com/charmbracelet/ github.com/clipperhouse/ github.com/rivo/ github.com/mattn/ github.com/lucasb-eyer/ github.com/muesli/ github.com/xo/"},
	{"u-root", "github.com/u-root/"},
	{"compressions", "github.com/klauspost/ github.com/ulikunitz/ github.com/therootcompany/ github.com/pierrec/ compress/"},
	{"cobra", "github.com/spf13/ text/template"},
	{"go-diskfs", "github.com/diskfs/ github.com/google/ database/"},
	{"go-runtime", "runtime. internal/runtime runtime/ reflect."},
}

// BenchmarkProgramWeight counts the code and constants of each part of the program, in bytes; the
// rest is the standard library and the tables that the linker makes.
func BenchmarkProgramWeight(b *testing.B) {
	sums := map[string]int{}
	for _, s := range symbolsOf(b) {
		if s.kind != "T" && s.kind != "R" {
			continue
		}
		part := "rest"
		for _, w := range weights {
			for _, prefix := range strings.Fields(w.prefixes) {
				if strings.HasPrefix(strings.TrimPrefix(s.name, "type:.eq."), prefix) {
					part = w.name
				}
			}
		}
		sums[part] += s.size
	}
	for b.Loop() { // it is counted once
	}
	for part, sum := range sums {
		b.ReportMetric(float64(sum), "B-"+part)
	}
	b.ReportMetric(0, "ns/op")
}
