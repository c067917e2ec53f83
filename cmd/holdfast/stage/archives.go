package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"holdfast/flash"
	"holdfast/flash/volume"
	"holdfast/ops/archive"
)

// Archives lists what may be image archives on the volumes of the machine, by their names: nothing is
// mounted, and a volume is open only while it is read, so that a stick can be taken out at any time. What
// could not be looked at is the error, beside the rest. also are file systems that are no disk's.
func Archives(ctx context.Context, also ...archive.Volume) ([]archive.Found, error) {
	finder := volume.NewFinder()
	_, err := finder.Pass()
	errs := []error{err}
	all := archive.Find(also...)
	for _, s := range finder.Volumes() {
		switch {
		case ctx.Err() != nil:
			return all, ctx.Err()
		case s.Err != nil:
			errs = append(errs, fmt.Errorf("%s cannot be read: %w", s.Name, s.Err))
			continue
		case s.Type == "":
			continue // swap, or a part of something else
		}
		found, err := archivesOn(s)
		all, errs = append(all, found...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

func archivesOn(s volume.Seen) ([]archive.Found, error) {
	v, err := volume.Open(s.Device)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	found := archive.Find(archive.Volume{Name: s.Name, FS: v.FS()})
	for i := range found {
		if s.Label != "" {
			found[i].Where = fmt.Sprintf("%s (%s)", s.Name, s.Label)
		}
		path := found[i].Path
		found[i].Open = func(context.Context) (io.ReadCloser, error) { return openOn(s, path) }
	}
	return found, nil
}

// openOn opens a file of a volume that was seen, if it is the same one still.
func openOn(s volume.Seen, path string) (io.ReadCloser, error) {
	v, err := volume.Open(s.Device)
	if err != nil {
		return nil, err
	}
	if v.UUID != s.UUID || v.Type != s.Type {
		return nil, errors.Join(fmt.Errorf("%s is another disk now: look for archives again", s.Name), v.Close())
	}
	f, err := flash.OpenRegular(v.FS(), path)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return onVolume{f, v}, nil
}

// onVolume is a file that is closed with its volume.
type onVolume struct {
	fs.File
	volume *volume.Volume
}

// Close closes both.
func (o onVolume) Close() error { return errors.Join(o.File.Close(), o.volume.Close()) }
