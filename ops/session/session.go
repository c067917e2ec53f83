// Package session is what every operation that rewrites files of a flash begins with: the locks, the
// flash mounted for writing, what a crash had interrupted put right, a fresh look at everything, and
// the log. It ends with everything as it was before.
package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"

	"holdfast/flash"
	"holdfast/flash/access"
	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/history"
	"holdfast/ops/lock"
	"holdfast/ops/status"
)

// Options is what the machine and the operator say about sessions. The zero value waits for locks and
// has no guard: it is for a flash that is mounted for writing already.
type Options struct {
	Guard  []string      // command of the guard process: see access.Guard
	NoWait bool          // a lock that somebody holds is an error of kind Refused
	Booted string        // slot that the running system was booted from (img=); "" when not known
	Store  store.Options // for the crash lab: Omit and Rename
}

// Session is a flash in the hands of one operation.
type Session struct {
	Report *status.Report // as things are under the lock; its Target is where the files can be written
	Tree   *store.Tree
	Dir    string // the flash's root
	Booted string
	Boot   flash.BootID // of the running kernel

	given    *volume.Volume // as it was named
	target   status.Target
	rep      ops.Reporter
	places   map[string]fs.FileInfo // of the report's images, by name
	unlogged sync.Once              // what keeps the log from being written is told once
	undo     []func() error         // in the order of doing
}

// Begin takes the locks, makes the flash writable, and repairs it: what it did then is in the log and
// told to rep.
func Begin(ctx context.Context, t status.Target, o Options, rep ops.Reporter) (*Session, error) {
	if t.Volume == nil {
		return nil, &ops.Error{Kind: ops.Refused, Err: errors.New("this is a demonstration: nothing can be written")}
	}
	s := &Session{Booted: o.Booted, Boot: thisBoot(), rep: rep}
	begun := false
	defer func() {
		if !begun {
			_ = s.End() // the error to tell is the one that came first
		}
	}()
	if err := s.begin(ctx, t, o); err != nil {
		err = errors.Join(err, s.End())
		return nil, err
	}
	begun = true
	return s, nil
}

func (s *Session) begin(ctx context.Context, t status.Target, o Options) error {
	locks, err := s.lock(ctx, lockNames(t), o.NoWait)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a, err := access.Open(t.Volume, o.Guard, locks...)
	if err != nil {
		return notWritable(err)
	}
	s.undo = append(s.undo, a.Close)
	s.Dir, s.given, s.target = a.Dir, t.Volume, moved(t, a.Volume)
	// It may have another name now, by which others would lock it.
	if name := grubdefault.LockName(a.Volume); name != grubdefault.LockName(t.Volume) {
		if _, err := s.lock(ctx, []string{name}, o.NoWait); err != nil {
			return err
		}
	}
	so := o.Store
	so.Type = a.Type
	if _, ok := a.MayFreeze(); ok {
		so.Freeze = a
	}
	if s.Tree, err = store.Open(a.Dir, so); err != nil {
		return notOpen(err)
	}
	s.undo = append(s.undo, s.Tree.Close)
	return s.recover(ctx)
}

func thisBoot() flash.BootID {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return flash.ParseBootID(string(text))
}

// lockNames are those that a change of the boot default locks, so that both kinds of operations exclude
// each other. What holds the saved default is left out where this user may not even read it: nobody
// sets the default then.
func lockNames(t status.Target) []string {
	names := grubdefault.LockNames(t)
	return append(names[:1:1], slices.DeleteFunc(names[1:], func(name string) bool {
		f, err := os.Open(name)
		if err == nil {
			f.Close()
		}
		return errors.Is(err, fs.ErrPermission)
	})...)
}

// lock takes locks until the session ends.
func (s *Session) lock(ctx context.Context, names []string, noWait bool) ([]*os.File, error) {
	files, err := lock.Take(ctx, names, noWait, s.rep)
	for _, f := range files {
		s.undo = append(s.undo, f.Close)
	}
	return files, err
}

// recover finishes or undoes what a crash interrupted, and looks at what there is then.
func (s *Session) recover(ctx context.Context) error {
	done, err := s.Tree.Recover(ctx)
	for _, line := range done.Lines {
		s.rep.Log(line)
		s.Log("repair: %s", line)
	}
	if err != nil {
		e := &ops.Error{Kind: kindOf(err), Step: "finish what was interrupted", Err: err}
		errors.As(s.Advise(e), &e)
		e.Hint = cmp.Or(e.Hint, "see holdfast status; holdfast repair tries again")
		return e
	}
	return s.Look()
}

// moved is the target where it can be written. GRUB's files move with it when they are on it.
func moved(t status.Target, v *volume.Volume) status.Target {
	old := t.Volume
	t.Volume, t.FS, t.Access = v, v.FS(), "rw"
	if g := t.GRUB.Volume; g != nil && g.Disk == old.Disk && g.Start == old.Start && g.Device == old.Device && g.Dir == old.Dir {
		t.GRUB.Volume, t.GRUB.FS = v, v.FS()
	}
	return t
}

// Log adds an event to cfg/holdfast.log. What keeps it from that is told to the reporter, and is no error.
func (s *Session) Log(format string, args ...any) {
	if err := history.Append(s.Dir, fmt.Sprintf(format, args...)); err != nil {
		s.unlogged.Do(func() { s.rep.Log(fmt.Sprintf("not in the log: %v", err)) })
	}
}

// LogEnd adds to the log that what was not done, and why. That somebody stopped it is no failure.
func (s *Session) LogEnd(what string, err error) {
	switch {
	case err == nil:
	case ops.Stopped(err):
		s.Log("%s: stopped", what)
	default:
		s.Log("%s: failed: %v", what, err)
	}
}

// Look reads the flash again, after something was written. What hashes said holds as long as the image is
// the same in the same directory.
func (s *Session) Look() error {
	r, err := status.Read(s.target)
	if err != nil {
		return err
	}
	places := directories(r)
	if s.Report != nil {
		r = keepHashes(r, s.Report, func(name string) bool { return unmoved(s.places[name], places[name]) })
	}
	s.Report, s.places = r, places
	return nil
}

// directories are those of the images, by name.
func directories(r *status.Report) map[string]fs.FileInfo {
	all := map[string]fs.FileInfo{}
	for _, i := range r.Images {
		if info, err := fs.Stat(r.Target.FS, i.Dir); err == nil {
			all[i.Name] = info
		}
	}
	return all
}

// unmoved reports that a directory is still the one it was, with the same names in it.
func unmoved(was, now fs.FileInfo) bool {
	return was != nil && now != nil && os.SameFile(was, now) && was.ModTime().Equal(now.ModTime())
}

// keepHashes gives the images of r what is known of them. Not of their like elsewhere: an ID tells what an
// image ought to be, and of two with the same one may be damaged.
func keepHashes(r, known *status.Report, unmoved func(name string) bool) *status.Report {
	for _, now := range r.Images {
		was, ok := known.Image(now.Name)
		if !ok || now.ID.IsZero() || now.ID != was.ID || now.Integrity != flash.Unknown || was.Integrity == flash.Unknown || !unmoved(now.Name) {
			continue
		}
		now.Integrity, now.Signer, now.Remark, now.Problems = was.Integrity, was.Signer, was.Remark, was.Problems
		if now.Broken == "" && was.Integrity == flash.Damaged {
			now.Broken = was.Broken
		}
		r = r.Verified(now)
	}
	return r
}

// End gives the flash back. It is safe to call twice.
func (s *Session) End() error {
	var errs []error
	for len(s.undo) > 0 {
		last := len(s.undo) - 1
		undo := s.undo[last]
		s.undo = s.undo[:last]
		errs = append(errs, undo())
	}
	if err := errors.Join(errs...); err != nil {
		return &ops.Error{Kind: ops.Internal, Step: "give the flash back", Err: err, Hint: "end what has it open; the flash is as safe as it was"}
	}
	return nil
}

// notOpen is the error of a flash whose files are not as they can be worked on.
func notOpen(err error) error {
	if errors.Is(err, store.ErrLink) {
		return &ops.Error{Kind: ops.Refused, Err: err, Hint: "put the directory itself in the place of the link"}
	}
	return &ops.Error{Kind: ops.NotWritable, Err: err}
}

// notWritable is the error of a flash that cannot be had for writing.
func notWritable(err error) error {
	e := &ops.Error{Kind: kindOf(err), Err: err}
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "run this as root: files on a disk or in an image file are rewritten by mounting it"
	case errors.Is(err, syscall.EBUSY):
		e.Hint = "end what has it, or name the directory where it is mounted"
	case errors.Is(err, syscall.EROFS):
		e.Hint = "take its write protection off (a switch, blockdev --setrw), or mount it for writing"
	}
	return e
}

// kindOf is what sort of failure an error of the system is.
func kindOf(err error) ops.Kind {
	for _, cause := range []error{fs.ErrPermission, syscall.EROFS, syscall.EBUSY} {
		if errors.Is(err, cause) {
			return ops.NotWritable
		}
	}
	if errors.Is(err, syscall.ENOSPC) {
		return ops.NoSpace
	}
	return ops.Internal
}
