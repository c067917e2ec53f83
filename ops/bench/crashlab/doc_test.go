package crashlab_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"holdfast/flash/store"
)

var update = flag.Bool("update", false, "write the table of docs/crashlab.md anew")

const (
	document = "../../../docs/crashlab.md"
	opening  = "<!-- barriers: written by go test ./ops/bench/crashlab -run TestDocument -update -->\n"
	closing  = "<!-- end of barriers -->\n"
)

// barriers is the table of the points, with what goes red without each. TestOmit holds what it says.
func barriers(t *testing.T) string {
	text := "| barrier | what for | red without it on ext2 | on ext3 | on ext4 | remark |\n|---|---|---|---|---|---|\n"
	for _, o := range omissions {
		p := pointNamed(t, o.point)
		text += fmt.Sprintf("| %v | %s | %s | %s | %s | %s |\n", p, p.Purpose(), o.red[0], o.red[1], o.red[2], o.why)
	}
	return text
}

// TestDocument holds that the document has every barrier there is, and says what TestOmit shows.
func TestDocument(t *testing.T) {
	for _, p := range store.Points() {
		if !slices.ContainsFunc(omissions, func(o omission) bool { return o.point == p.String() }) {
			t.Errorf("%v is in no table: look with -lab.explore %v what goes red without it", p, p)
		}
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), opening)
	old, after, ok2 := strings.Cut(rest, closing)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", document)
	}
	if *update {
		if err := os.WriteFile(document, []byte(before+opening+barriers(t)+closing+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != barriers(t) {
		t.Errorf("%s does not have this table; write it with -update:\n%s", document, barriers(t))
	}
}
