package mkdisk

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"holdfast/ops"
)

// tool is a program or a file of another package that a disk cannot be made without.
type tool struct{ name, pkg string }

// missing is nil when the tool is there.
func (t tool) missing() error {
	if filepath.IsAbs(t.name) {
		if _, err := os.Stat(t.name); err == nil {
			return nil
		}
	} else if _, err := lookPath(t.name); err == nil {
		return nil
	}
	return &ops.Error{Kind: ops.Internal, Op: op, Err: fmt.Errorf("%s is missing", t.name), Hint: "apt-get install " + t.pkg}
}

// lookPath finds a program also where only root's PATH leads.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// run runs a tool with input on its standard input and gives what it said. The clock of e2fsprogs
// stands still, so that it writes the same bytes again.
func run(ctx context.Context, input, name string, args ...string) (string, error) {
	path, err := lookPath(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "E2FSPROGS_FAKE_TIME=1", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	// The tools say it in words only, and some end well all the same.
	if strings.Contains(string(out), "No space left on device") {
		err = syscall.ENOSPC
	}
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
