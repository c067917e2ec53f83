package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/cmd/holdfast/stage"
)

func TestAutobootArgument(t *testing.T) {
	tests := []struct {
		line   string
		after  time.Duration
		remark string // a part of it; "" for none
	}{
		{"quiet", 0, ""},
		{"holdfast.autoboot=0", 0, ""},
		{"holdfast.autoboot=7", 7 * time.Second, ""},
		{"holdfast.autoboot=3600", time.Hour, ""},
		{"holdfast.autoboot=3601", 0, "holdfast.autoboot=3601 is not heeded"},
		{"holdfast.autoboot=-1", 0, "-1"},
		{"holdfast.autoboot=abc", 0, "holdfast.autoboot=abc is not heeded"},
		{"holdfast.autoboot", 0, "want seconds"},
	}
	for _, tt := range tests {
		after, remark := autoboot(tt.line)
		if after != tt.after || (remark == "") != (tt.remark == "") || !strings.Contains(remark, tt.remark) {
			t.Errorf("autoboot(%q) = %v, %q, want %v, %q", tt.line, after, remark, tt.after, tt.remark)
		}
	}
}

func TestShellWords(t *testing.T) {
	tests := []struct {
		path string
		argv []string
		err  error
		want []string
	}{
		{"/bin/sh", []string{"-sh"}, nil, []string{"/bin/sh"}},
		{"/bin/busybox", []string{"busybox", "sh"}, nil, []string{"/bin/busybox", "sh"}},
		{"", nil, stage.ErrNoShell, nil},
	}
	for _, tt := range tests {
		if got := shellWords(tt.path, tt.argv, tt.err); !slices.Equal(got, tt.want) {
			t.Errorf("shellWords(%q, %q, %v) = %q, want %q", tt.path, tt.argv, tt.err, got, tt.want)
		}
	}
}
