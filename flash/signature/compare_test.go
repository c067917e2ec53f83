package signature

import (
	"errors"
	"os/exec"
	"testing"
)

// versions are what builds are called, and what takes an order apart. dpkg judges every pair.
var versions = []string{
	"1.3", "1.3.0", "1.3.9", "1.3.10", "1.3.125", "1.3.124", "01.3", "1.03", "1.3~rc1", "1.3~rc2", "1.3~", "1.3~~", "1.3a", "1.3b",
	"1.3A", "1.3+git", "1.3-1", "1.3-2", "1.3-10", "1.3-0", "1.3-1~", "1.4-beta-2", "1.4-beta", "2", "10", "9999999999999999999999", "10000000000000000000000",
	"20260101", "1.3.x", "0", "0.0~1", "1..3",
}

func TestCompareDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Fatal("dpkg is missing: apt-get install dpkg")
	}
	holds := func(a, op, b string) bool {
		err := exec.Command("dpkg", "--compare-versions", a, op, b).Run()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			t.Fatalf("dpkg --compare-versions %s %s %s: %v", a, op, b, err)
		}
		return err == nil
	}
	for i, a := range versions {
		for _, b := range versions[i:] {
			want := 1
			if holds(a, "eq", b) {
				want = 0
			} else if holds(a, "lt", b) {
				want = -1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("Compare(%q, %q) = %d, dpkg has %d", a, b, got, want)
			}
			if got := Compare(b, a); got != -want {
				t.Errorf("Compare(%q, %q) = %d, want %d", b, a, got, -want)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"1.3.9", "1.3.10", -1},
		{"1.3~rc1", "1.3", -1},
		{"", "0", 0},
		{"", "~", 1},
		{"v1.10", "v1.9", 1},
		{"\xff", "1", 1},
	} {
		if got := Compare(tt.a, tt.b); got != tt.want {
			t.Errorf("Compare(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("1.3~rc1", "1.3", "1.3-1")
	f.Add("00", "0", "")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if Compare(a, b) != -Compare(b, a) || Compare(a, a) != 0 {
			t.Errorf("Compare(%q, %q) = %d, the other way %d", a, b, Compare(a, b), Compare(b, a))
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Errorf("%q <= %q <= %q, and yet the first is the greatest", a, b, c)
		}
	})
}
