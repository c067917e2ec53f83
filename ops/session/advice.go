package session

import (
	"cmp"
	"errors"
	"fmt"
	"syscall"

	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/ops"
)

// Advise gives an error of an operation the hint to check the file system, where that is what it needs. Of an ext2
// that was not unmounted the kernel takes a group of blocks out of use when its bitmap does not fit, marks the file
// system as one with errors, and then says that it is full. What was writable and is not any more, it has made so.
func (s *Session) Advise(err error) error {
	var known *ops.Error
	found := errors.As(err, &known)
	full := errors.Is(err, syscall.ENOSPC) || found && known.Kind == ops.NoSpace
	switch {
	case err == nil:
		return nil
	case full && s.damage() != "":
	case (store.Damaged(err) || errors.Is(err, syscall.EROFS)) && (!found || known.Hint == ""):
	default:
		return err
	}
	e := &ops.Error{Kind: kindOf(err), Err: err}
	if found {
		copied := *known
		e = &copied
		if known.Error() != err.Error() { // something around it has more to say
			e.Step, e.Err = "", err
		}
	}
	e.Hint = "it needs a check: " + check(s.given) + " while it is not mounted"
	return e
}

// damage says that the kernel has found errors, "" when it has not.
func (s *Session) damage() string {
	v, err := s.target.Volume.Reopen()
	if err != nil {
		return ""
	}
	defer v.Close()
	return v.Damage()
}

// check is the command that checks a volume. e2fsck finds one in an image file by where it begins.
func check(v *volume.Volume) string {
	switch {
	case v.Type == "vfat":
		return "fsck.fat -a " + cmp.Or(v.Device, v.Name)
	case v.Device == "" && v.Start > 0:
		return fmt.Sprintf("e2fsck -y '%s?offset=%d'", v.Disk, v.Start)
	}
	return "e2fsck -y " + cmp.Or(v.Device, v.Name)
}
