package kexec

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", 2047)
	for _, tt := range []struct {
		name  string
		words []Word
		limit int
		want  string // "" for no error
	}{
		{"fine", []Word{{`a="b c"`, FromImage}, {"d", FromLocal}}, 0, ""},
		{"nothing", nil, 0, ""},
		{"just fits", []Word{{long, FromImage}}, 0, ""},
		{"empty word", []Word{{"a", FromImage}, {"", FromLocal}}, 0, "system.arg: \"\" is not one word"},
		{"too long", []Word{{long, FromImage}, {"d", FromLocal}}, 0, "command line of 2049 bytes, the kernel takes 2047"},
		{"old kernel", []Word{{long[:256], FromImage}}, 255, "command line of 256 bytes, the kernel takes 255"},
		{"newline", []Word{{"\"a\nb\"", FromOperator}}, 0, `operator: control character 0x0a in "\"a\nb\""`},
		{"zero", []Word{{"a\x00b", FromHoldfast}}, 0, `holdfast: control character 0x00 in "a\x00b"`},
		{"open quote", []Word{{`a="b`, FromImage}, {`c"`, FromLocal}}, 0, `image: quote without its other half in a="b`},
		{"two words in one", []Word{{"a b", FromConsole}}, 0, `console: "a b" is not one word`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := (CommandLine{Words: tt.words}).Check(tt.limit); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("Check(%d) = %q, want %q", tt.limit, got, tt.want)
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	for o, want := range []string{"image", "console", "system.arg", "holdfast", "operator"} {
		if got := Origin(o).String(); got != want {
			t.Errorf("Origin(%d) = %q, want %q", o, got, want)
		}
	}
}

func TestCommandLineConsole(t *testing.T) {
	for text, want := range map[string]string{
		"quiet":                             "",
		"console=tty0 console=ttyS0,9600 q": "ttyS0",
		"console=ttyS0 console=tty0":        "tty0",
		"console=ttyS0 -- console=tty0":     "ttyS0",
		"console=tty0 console=null":         "tty0",
	} {
		if got := Compose(Parts{Replace: &text}).Console(); got != want {
			t.Errorf("Console of %q = %q, want %q", text, got, want)
		}
	}
}
