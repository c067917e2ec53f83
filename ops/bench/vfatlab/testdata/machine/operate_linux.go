package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"holdfast/flash"
	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/history"
	"holdfast/ops/install"
	"holdfast/ops/remove"
	"holdfast/ops/repair"
	"holdfast/ops/rotate"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// operate does one operation on the mounted flash: its name, what it is about, and after that "rename",
// for a kernel that exchanges no names, or the name of a store.Point that is left out. The recorder is told when
// the clusters of what it makes are on the device.
func operate(step string, words []string) error {
	about := words[1]
	switch words[0] {
	case "naive":
		naive(about)
		return nil
	case "command":
		out, err := exec.Command("/bin/holdfast", append([]string{"--yes", "--flash", flashDir}, words[1:]...)...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	case "record":
		return markConfirmed(about, options(words[2:]))
	case "log":
		return history.Append(flashDir, about+strings.Repeat(" a long story", 60)) // more than a cluster, with the next one
	}
	report, closer, err := look()
	if err != nil {
		return err
	}
	defer closer()
	ctx, s := context.Background(), session.Options{Store: options(words[2:])}
	var p interface {
		Apply(context.Context, ops.Reporter) error
	}
	switch words[0] {
	case "install":
		source, err := archive.File(about)
		check(err)
		p, err = install.Request{Report: report, Source: source, Session: s}.Plan(ctx)
		if err != nil {
			return err
		}
	case "rotate":
		if p, err = (rotate.Request{Report: report, Session: s}).Plan(ctx); err != nil {
			return err
		}
	case "remove":
		if p, err = (remove.Request{Report: report, Name: about, Session: s}).Plan(ctx); err != nil {
			return err
		}
	}
	return p.Apply(ctx, &reporter{readBack: func() { mark(step + ":read back") }})
}

func options(words []string) (o store.Options) {
	for _, word := range words {
		o.Rename = o.Rename || word == "rename"
		for _, p := range store.Points() {
			if p.String() == word {
				o.Omit = p
			}
		}
	}
	return o
}

// look reads the flash as a command does.
func look() (*status.Report, func(), error) {
	v, err := volume.Open(flashDir)
	if err != nil {
		return nil, nil, err
	}
	here := status.Place{FS: v.FS(), Volume: v}
	report, err := status.Read(status.Target{FS: here.FS, Volume: v, Name: flashDir, Type: "vfat", Access: "rw", GRUB: here})
	return report, func() { v.Close() }, err
}

// repairFlash is what a console does at its start; it gives what it said.
func repairFlash() (said []string, err error) {
	report, closer, err := look()
	if err != nil {
		return nil, err
	}
	defer closer()
	p, err := repair.Request{Report: report}.Plan()
	if err != nil || p.Nothing() {
		return nil, err
	}
	rep := &reporter{said: []string{}}
	err = p.Apply(context.Background(), rep)
	return rep.said, err
}

// goOn does what may come next: a session that writes to the log, and a file that needs clusters. A name
// whose clusters the table of the FAT calls free now shares them with that file.
func goOn() error {
	report, closer, err := look()
	if err != nil {
		return err
	}
	defer closer()
	s, err := session.Begin(context.Background(), report.Target, session.Options{}, &reporter{})
	if err != nil {
		return err
	}
	s.Log("the lab goes on")
	err = os.WriteFile(s.Dir+"/cfg/other", make([]byte, 16<<10), 0o644)
	return errors.Join(err, s.End())
}

type reporter struct {
	said     []string
	readBack func() // is called once, before what was written and synced is read back
}

func (r *reporter) Progress(p ops.Progress) {
	if p.Step == store.ReadBack && r.readBack != nil {
		r.readBack()
		r.readBack = nil
	}
}

func (r *reporter) Log(line string) { r.said = append(r.said, line) }

// markConfirmed says in the state record that the image of a slot is confirmed.
func markConfirmed(slot string, o store.Options) error {
	f, err := flash.Read(os.DirFS(flashDir))
	if err != nil {
		return err
	}
	o.Type = "vfat"
	t, err := store.Open(flashDir, o)
	if err != nil {
		return err
	}
	defer t.Close()
	return t.Write(func(r *flash.Record) {
		for _, img := range f.Slots {
			if img.Name == slot {
				r.Entries = []flash.Entry{{ID: img.ID, State: flash.Confirmed, Since: time.Unix(1<<30, 0)}}
			}
		}
	})
}

// naive installs as one would who knows POSIX and not vfat: every file is synced, and the directory.
func naive(from string) {
	system := flashDir + "/system/"
	check(os.Mkdir(system+"incoming", 0o755))
	entries, err := os.ReadDir(from)
	check(err)
	for _, e := range entries {
		data, err := os.ReadFile(from + "/" + e.Name())
		check(err)
		f, err := os.Create(system + "incoming/" + e.Name())
		check(err)
		_, err = f.Write(data)
		check(errors.Join(err, f.Sync(), f.Close()))
	}
	check(os.RemoveAll(system + "backup"))
	check(os.Rename(system+"active", system+"backup"))
	check(os.Rename(system+"incoming", system+"active"))
	dir, err := os.Open(system)
	check(err)
	check(errors.Join(dir.Sync(), dir.Close()))
}
