package store

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"holdfast/flash"
	"holdfast/flash/signature"
)

// Recovered is what recovery did.
type Recovered struct {
	Event flash.Event // Undone, Finished, or NoEvent when no operation had been interrupted
	Lines []string    // what was done, in plain words; empty when there was nothing to do
}

// interruptedTries is what an image gets whose installation is finished by recovery, when the record does
// not speak of it yet.
const interruptedTries = 3

// Recover finishes or undoes what a crash interrupted, by the contents of the directories; the record
// is a hint. To run it twice, or to be cut during it, changes nothing more. An image that is the only
// whole one is never deleted, whatever its directory is called.
func (t *Tree) Recover(ctx context.Context) (Recovered, error) {
	dropped, err := t.dropNew() // before anything is written: see makeRecord
	if err != nil {
		return Recovered{}, err
	}
	done, err := t.recoverImages(ctx)
	done.Lines = append(dropped, done.Lines...)
	return done, err
}

func (t *Tree) recoverImages(ctx context.Context) (Recovered, error) {
	r, err := t.Record()
	if err != nil {
		return Recovered{}, err
	}
	left, err := t.left()
	if err != nil || len(left) == 0 && r.Pending == nil {
		return Recovered{}, err
	}
	disk := &watched{root: t.root.FS(), care: []string{t.path(flash.Active), t.path(flash.Backup), t.path(flash.Hold)}}
	f, err := flash.Read(disk)
	if err != nil {
		return Recovered{}, err
	}
	s, err := t.shelf()
	if err != nil {
		return Recovered{}, err
	}
	whole, err := judge(ctx, disk, f)
	if err != nil {
		return Recovered{}, err
	}
	if disk.failed != nil {
		// A disk that fails now may read tomorrow: nothing is deleted on the word of an error.
		return Recovered{Lines: []string{fmt.Sprintf("nothing was moved or deleted, as it cannot be told what is whole: %v", disk.failed)}}, nil
	}
	return t.follow(decide(f, s, whole), r)
}

// follow does what was decided.
func (t *Tree) follow(d decision, r flash.Record) (Recovered, error) {
	s, err := t.shelf()
	if err != nil {
		return Recovered{}, err
	}
	if err := t.arrange(s, d.goal, d.keep); err != nil {
		return Recovered{}, err
	}
	if d.restage != "" {
		if err := t.rename(s.find(d.restage), d.version); err != nil {
			return Recovered{}, err
		}
		if err := t.barrier(AfterKeep); err != nil {
			return Recovered{}, err
		}
	}
	// What a damaged file system does not give back keeps its space, and nobody from working.
	if err := t.Clear(); Damaged(err) {
		d.line("%s", checkIt(err))
	} else if err != nil {
		return Recovered{}, err
	}
	if r.Pending != nil {
		// Last, so that whoever is cut before it decides in the same way again.
		d.event.At = time.Now().UTC().Truncate(time.Second)
		if err := t.Write(d.note); err != nil {
			return Recovered{}, err
		}
	}
	return Recovered{Event: d.event, Lines: d.lines}, nil
}

func checkIt(err error) string {
	return fmt.Sprintf("the file system needs a check (e2fsck -y, fsck.fat -a) while it is not mounted: %v", err)
}

// Interrupted says, without writing, what Recover would do: nil when there is nothing to do. It hashes
// nothing: an image counts as whole here that shows no damage.
func Interrupted(f *flash.Flash) []string {
	var lines []string
	for _, name := range f.Unfinished {
		lines = append(lines, unfinished(name))
	}
	if len(f.Left) == 0 && f.Record.Pending == nil {
		return lines
	}
	s := shelf{}
	for _, img := range append(f.Slots[:2:2], f.Left...) {
		if img.Present {
			s[img.Name] = img.Name
		}
	}
	whole := func(img flash.Image) bool { return img.Kernel != "" && len(img.Problems) == 0 }
	return append(lines, decide(f, s, whole).lines...)
}

// judge hashes the images that recovery is about. Without a manifest nothing proves that an image is
// whole; one that has a kernel is taken for it here.
func judge(ctx context.Context, fsys fs.FS, f *flash.Flash) (whole func(flash.Image) bool, err error) {
	good := map[string]bool{}
	for _, img := range append(f.Slots[:2:2], f.Left...) {
		v, err := img.Verify(ctx, fsys, signature.Trust{}, nil) // what GRUB boots need not be signed
		if err != nil {
			return nil, err
		}
		good[img.Name] = v.Integrity == flash.Intact || v.Integrity == flash.Unchecked
	}
	return func(img flash.Image) bool { return img.Kernel != "" && good[img.Name] }, nil
}

// found is an image that recovery has to do with.
type found struct {
	flash.Image
	worth int // 0 for what is not whole
}

// look says what each image is worth. A new one, which never booted, is worth little before it is active; without a manifest there and in trash, where it may be a part of an image, it is worth
// nothing: the manifest is written last and the kernel deleted first.
func look(f *flash.Flash, whole func(flash.Image) bool) map[string]found {
	all := map[string]found{}
	for _, img := range append(f.Slots[:2:2], f.Left...) {
		it := found{Image: img}
		known := img.Entry.State != flash.Untold || named(f.Record.Pending, img.ID)
		switch {
		case !whole(img), passing(img.Name) && !known && len(img.Manifest.Sums) == 0:
		case img.Name == flash.Incoming && !known, img.Name != flash.Active && comes(f.Record.Pending, img.Entry):
			it.worth = 1
		default:
			it.worth = worth(img.Entry.State)
		}
		all[img.Name] = it
	}
	return all
}

// comes reports whether an image is one that a pending change brings to the slots.
func comes(p *flash.Pending, e flash.Entry) bool {
	return p != nil && e.State != flash.Confirmed && e.ID != p.Before.Active && e.ID != p.Before.Backup &&
		(e.ID == p.After.Active || e.ID == p.After.Backup)
}

// passing reports whether a directory is one in which images come and go in parts.
func passing(dir string) bool { return dir == flash.Incoming || dir == flash.Trash }

// named reports whether a pending change speaks of an image.
func named(p *flash.Pending, id flash.ID) bool {
	return p != nil && (id == p.Before.Active || id == p.Before.Backup || id == p.After.Active || id == p.After.Backup)
}

// decision is what recovery makes of what it finds.
type decision struct {
	goal    goal
	keep    string      // see goal.next
	restage string      // image that goes back to the staged versions; "" for none
	version string      // its name there
	event   flash.Event // zero when nothing was pending
	trial   flash.ID    // new image that boots from now on; zero for none
	lines   []string
}

// decide says what to do: on to where a pending change was going when it has come as far as the active
// slot, else back to where it came from; without one, what steps aside goes back to an empty slot. Then
// what is worth more than all that the slots hold gets one.
func decide(f *flash.Flash, s shelf, whole func(flash.Image) bool) decision {
	var d decision
	images := look(f, whole)
	if p := f.Record.Pending; p != nil {
		d.pending(s, images, *p)
	} else {
		d.goal = goal{s[flash.Active], s[flash.Backup]}
		d.fill(images, flash.Hold)
	}
	d.rescue(images)
	if p := f.Record.Pending; p != nil {
		d.settle(images, *p)
	}
	d.keep = d.goal.active
	if images[d.goal.backup].worth > images[d.goal.active].worth {
		d.keep = d.goal.backup
	}
	d.putBack(f, images)
	d.tell(s, images)
	return d
}

// putBack gives the version back its name that was taken for a rotation which is undone.
func (d *decision) putBack(f *flash.Flash, images map[string]found) {
	p := f.Record.Pending
	if p == nil || p.Op != flash.Rotating || d.event.Kind != flash.Undone {
		return
	}
	for dir, img := range images {
		if img.ID == p.After.Active && img.worth > 0 && !d.goal.has(dir) && Keepable(f, img.Version) == nil {
			d.restage, d.version = dir, img.Version
		}
	}
}

func (d *decision) pending(s shelf, images map[string]found, p flash.Pending) {
	target := p.Before
	there := func(pair flash.Pair) bool {
		active := pick(s, images, pair.Active, flash.Active, "")
		backup := pick(s, images, pair.Backup, flash.Backup, active)
		return (active != "" || pair.Active.IsZero()) && (backup != "" || pair.Backup.IsZero())
	}
	arrived := images[flash.Active].ID == p.After.Active
	before, after := there(p.Before), there(p.After)
	if arrived && (after || !before) || after && !before {
		target = p.After
	}
	d.goal.active = pick(s, images, target.Active, flash.Active, "")
	d.goal.backup = pick(s, images, target.Backup, flash.Backup, d.goal.active)
	if d.goal.active == "" && !target.Active.IsZero() && s[flash.Active] != d.goal.backup {
		d.goal.active = s[flash.Active] // what should be there is lost
	}
	if d.goal.backup == "" && !target.Backup.IsZero() && s[flash.Backup] != d.goal.active {
		d.goal.backup = s[flash.Backup]
	}
}

// settle says what has become of a pending change, by what will be in the slots.
func (d *decision) settle(images map[string]found, p flash.Pending) {
	d.event = flash.Event{Kind: flash.Undone, Op: p.Op, ID: p.After.Active}
	now := flash.Pair{Active: images[d.goal.active].ID, Backup: images[d.goal.backup].ID}
	if now == p.Before || now.Active != p.After.Active {
		return
	}
	d.event.Kind = flash.Finished
	if p.After.Active != p.Before.Active && p.After.Active != p.Before.Backup {
		d.trial = p.After.Active
	}
}

// note is what the record says when all is done.
func (d *decision) note(r *flash.Record) {
	r.Pending = nil
	r.Last = d.event
	if !d.trial.IsZero() && r.Entry(d.trial).State == flash.Untold {
		r.Entries = append(r.Entries, flash.Entry{ID: d.trial, State: flash.Trial, Tries: interruptedTries, Since: d.event.At})
	}
}

// pick finds an image for a slot: a whole one if there is, and one that is in the slot already if
// it can be. What is not whole in incoming or trash may be half deleted, and nobody's aim.
func pick(s shelf, images map[string]found, id flash.ID, slot, except string) string {
	if id.IsZero() {
		if images[slot].ID.IsZero() {
			return s[slot]
		}
		return ""
	}
	best := ""
	for _, dir := range []string{slot, flash.Active, flash.Backup, flash.Hold, flash.Incoming, flash.Trash} {
		if s[dir] == "" || dir == except || images[dir].ID != id || passing(dir) && images[dir].worth == 0 {
			continue
		}
		if best == "" || images[dir].worth > 0 && images[best].worth == 0 {
			best = dir
		}
	}
	return best
}

// fill puts a whole image into a slot that has none, where it is if that is one.
func (d *decision) fill(images map[string]found, image string) bool {
	switch {
	case images[image].worth == 0:
		return false
	case image == flash.Backup && images[d.goal.backup].worth == 0:
		d.goal.backup = image
	case images[d.goal.active].worth == 0:
		d.goal.active = image
	case images[d.goal.backup].worth == 0:
		d.goal.backup = image
	default:
		return false
	}
	return true
}

// rescue puts the best image that no slot has into one, if it is worth more than those in the slots.
func (d *decision) rescue(images map[string]found) {
	best := ""
	for _, dir := range []string{flash.Active, flash.Backup, flash.Hold, flash.Incoming, flash.Trash} {
		if !d.goal.has(dir) && images[dir].worth > images[best].worth {
			best = dir
		}
	}
	active, backup := images[d.goal.active].worth, images[d.goal.backup].worth
	if images[best].worth <= max(active, backup) || d.fill(images, best) {
		return
	}
	if backup <= active {
		d.goal.backup = best
	} else {
		d.goal.active = best
	}
}

// tell puts the decision into words.
func (d *decision) tell(s shelf, images map[string]found) {
	switch d.event.Kind {
	case flash.Undone:
		d.line("%s was interrupted before it changed what is active: undone", d.event.Op)
	case flash.Finished:
		d.line("%s was interrupted when the new image was active already: finished", d.event.Op)
	}
	if g := d.goal.active; g != s[flash.Active] && g != "" {
		d.line("active: %s, from %s", title(images[g]), g)
	}
	if g := d.goal.backup; g != s[flash.Backup] && g != "" {
		d.line("backup: %s, from %s", title(images[g]), g)
	}
	if d.restage != "" {
		d.line("staged again: %s", d.version)
	}
	for _, dir := range []string{flash.Active, flash.Backup, flash.Incoming, flash.Hold, flash.Trash} {
		empty := dir == flash.Incoming && !images[dir].Present // it may stay, and nobody needs to know
		if s[dir] != "" && !empty && !d.goal.has(dir) && dir != d.restage {
			d.line("%s", d.goes(images[dir], dir))
		}
	}
}

// goes says of an image why it is deleted. Nearly all of the time of an installation is that of writing to
// incoming, when no record speaks of it yet: what a cut has left of it is said so that an operator knows it.
func (d *decision) goes(img found, dir string) string {
	if dir != flash.Incoming || d.event.Kind != flash.NoEvent {
		return fmt.Sprintf("deleted: %s, in %s", title(img), dir)
	}
	what := "an install"
	if img.Version != "" {
		what += " of " + img.Version
	}
	return what + " was interrupted before it changed the slots: what it had written is deleted"
}

func (d *decision) line(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// title is an image as people know it.
func title(img found) string {
	switch {
	case !img.Present:
		return "an empty directory"
	case img.Version == "":
		return "an image without a version"
	}
	return img.Version
}
