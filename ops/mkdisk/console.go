package mkdisk

import (
	"errors"
	"fmt"
	"os"

	"holdfast/initramfs"
	"holdfast/ops"
)

// checkConsole reads the console's whole archive: a disk with anything else in its place would not
// show so before it is in the machine. The notes are what may go wrong.
func (r Request) checkConsole() (notes []string, err error) {
	f, err := os.Open(r.Console)
	if err != nil {
		return nil, &ops.Error{Kind: ops.Invalid, Op: op, Step: "console", Err: err}
	}
	defer f.Close()
	problems, err := initramfs.Check(f)
	bad := 0
	for _, p := range problems {
		switch {
		case p.Warning:
			notes = append(notes, "console: "+p.String())
			continue
		case err == nil:
			err = errors.New(p.String()) // the first one; initramfs check has them all
		}
		bad++
	}
	if bad > 1 {
		err = fmt.Errorf("%w, and %d more problems", err, bad-1)
	}
	if err != nil {
		return nil, &ops.Error{Kind: ops.Invalid, Op: op, Step: "console " + r.Console, Err: err,
			Hint: "initramfs create makes one, initramfs check shows what is wrong"}
	}
	return notes, nil
}
