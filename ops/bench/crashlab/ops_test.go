package crashlab_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"holdfast/flash"
	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/bench/crashlab"
	"holdfast/ops/grubdefault"
	"holdfast/ops/install"
	"holdfast/ops/remove"
	"holdfast/ops/repair"
	"holdfast/ops/rotate"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// reported looks at the flash mounted on dir as the commands do, and does something with the report.
func reported(dir, fstype string, do func(r *status.Report) error) error {
	v, err := volume.Open(dir)
	if err != nil {
		return err
	}
	defer v.Close() // what has a device open keeps its pages in memory
	target := status.Target{FS: v.FS(), Volume: v, Name: dir, Type: fstype, Access: "rw", GRUB: status.Place{FS: v.FS(), Volume: v}}
	r, err := status.Read(target)
	if err != nil {
		return err
	}
	return do(r)
}

// lines is a Reporter that keeps what it is told.
type lines []string

func (*lines) Progress(ops.Progress) {}
func (l *lines) Log(line string)     { *l = append(*l, line) }

// repairFlash is what a start of the console does.
func repairFlash(dir, fstype string) (did []string, err error) {
	return repairWith(dir, fstype, session.Options{})
}

func repairWith(dir, fstype string, s session.Options) (did []string, err error) {
	err = reported(dir, fstype, func(r *status.Report) error {
		p, err := repair.Request{Report: r, Session: s}.Plan()
		if err != nil {
			return err
		}
		return p.Apply(context.Background(), (*lines)(&did))
	})
	return did, cmp.Or(err, toldToCheck(did))
}

// repairedScenario is an installation whose repair leaves out what o says. That shows when the repair is cut as well.
func repairedScenario(fstype string, o store.Options) crashlab.Scenario {
	s := opsScenarios(fstype, store.Options{})[0]
	s.Name = repairCut
	s.Recover = func(dir, fstype string) ([]string, error) {
		return repairWith(dir, fstype, session.Options{Store: o})
	}
	return s
}

const repairCut = "repair of an install"

// archiveOf is a version's image as an archive.
func archiveOf(version string) archive.Source { return archived(version, crashlab.NewImage(version)) }

func archived(version string, image crashlab.Image) archive.Source {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range image.Members() {
		_ = w.WriteHeader(&tar.Header{Name: name, Size: int64(len(image[name])), Mode: 0o644})
		_, _ = w.Write(image[name])
	}
	_ = w.Close()
	return archive.Source{Name: version + ".tar", Size: int64(b.Len()), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	}}
}

// running is a Run of a Scenario.
type running = func(dir, fstype string, mark func(string)) error

// plan is what the operations' plans have in common.
type plan interface {
	Apply(context.Context, ops.Reporter) error
}

// operation makes a Run of what plans one.
func operation(do func(ctx context.Context, r *status.Report) (plan, error)) running {
	return func(dir, fstype string, _ func(string)) error {
		return reported(dir, fstype, func(r *status.Report) error {
			p, err := do(context.Background(), r)
			if err != nil {
				return err
			}
			return p.Apply(context.Background(), ops.Discard)
		})
	}
}

// inTurn makes one Run of several.
func inTurn(runs ...running) running {
	return func(dir, fstype string, mark func(string)) error {
		for _, run := range runs {
			if err := run(dir, fstype, mark); err != nil {
				return err
			}
		}
		return nil
	}
}

// opsScenarios are the operations as the program has them, from the plan to the log.
func opsScenarios(fstype string, o store.Options) []crashlab.Scenario {
	s := session.Options{Store: o}
	installing := func(version string) running {
		return operation(func(ctx context.Context, r *status.Report) (plan, error) {
			return install.Request{Report: r, Source: archiveOf(version), Session: s}.Plan(ctx)
		})
	}
	rotating := func(version string) running {
		return operation(func(ctx context.Context, r *status.Report) (plan, error) {
			return rotate.Request{Report: r, Version: version, Session: s}.Plan(ctx)
		})
	}
	removing := func(name string) running {
		return operation(func(ctx context.Context, r *status.Report) (plan, error) {
			return remove.Request{Report: r, Name: name, Session: s}.Plan(ctx)
		})
	}
	setting := func(slot string) running {
		return operation(func(_ context.Context, r *status.Report) (plan, error) {
			return grubdefault.Request{Report: r, Slot: slot}.Plan()
		})
	}
	before, after := slots{"v2", "v1"}, slots{"v3", "v2"}
	three := crashlab.Fixture{Type: fstype, Images: map[string]string{"active": "v2", "backup": "v1", "factory": "v0"}}
	staged := crashlab.Fixture{Type: fstype, Images: map[string]string{"active": "v2", "backup": "v1", "factory": "v0", "v3": "v3"}}
	two := crashlab.Fixture{Type: fstype, Images: map[string]string{"active": "v2", "factory": "v0"}}
	confirmed := records(nil, entry("v2", flash.Confirmed, 0))
	both := records(nil, entry("v2", flash.Confirmed, 0), entry("v1", flash.Confirmed, 0))
	v2 := is{"v2": flash.Confirmed}
	return []crashlab.Scenario{
		{Name: "install", Fixture: three, Prepare: confirmed, Run: installing("v3"), Recover: repairFlash,
			Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{before}, Done: after, Check: states(v2, is{"v3": flash.Trial})}},
		{Name: "install, nothing known", Fixture: three, Run: installing("v3"), Recover: repairFlash,
			Law: crashlab.Law{Known: versions, Legal: []slots{before}, Done: after}},
		{Name: "install over a trial", Fixture: three, Run: installing("v3"), Recover: repairFlash,
			Prepare: records(nil, entry("v2", flash.Trial, 2), entry("v1", flash.Confirmed, 0)),
			Law: crashlab.Law{Known: versions, Keep: []string{"v1"}, Legal: []slots{before}, Done: slots{"v3", "v1"},
				Check: states(is{"v1": flash.Confirmed}, is{"v3": flash.Trial})}},
		{Name: "install, no backup", Fixture: two, Prepare: confirmed, Run: installing("v3"), Recover: repairFlash,
			Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{{"v2", ""}}, Done: after, Check: states(v2, is{"v3": flash.Trial})}},
		{Name: "install twice, full", Fixture: three, Run: inTurn(installing("v3"), installing("v4")), Recover: repairFlash,
			Prepare: func(dir, fstype string) error {
				return errors.Join(confirmed(dir, fstype), crashlab.Fill(dir, crashlab.NewImage("v3").Size()>>10+100))
			},
			Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{before, after}, Done: slots{"v4", "v2"},
				Check: states(v2, is{"v4": flash.Trial})}},
		{Name: "rotate", Fixture: three, Prepare: both, Run: repeated(times(3, 21), rotating("")), Recover: repairFlash,
			Law: crashlab.Law{Known: versions, Keep: []string{"v2", "v1"}, Legal: []slots{before}, Done: slots{"v1", "v2"},
				Check: states(is{"v2": flash.Confirmed, "v1": flash.Confirmed}, nil)}},
		{Name: "rotate to a staged version", Fixture: staged, Prepare: confirmed, Run: rotating("v3"), Recover: repairFlash,
			Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{before}, Done: after, Beside: []string{"v3"},
				Check: states(v2, is{"v3": flash.Trial})}},
		{Name: "remove", Fixture: staged, Prepare: confirmed, Run: inTurn(removing("backup"), removing("v3")), Recover: repairFlash,
			Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{before}, Done: slots{"v2", ""}, Beside: []string{"v3"},
				Check: removed("v3", states(v2, nil))}},
		{Name: "set default", Fixture: three, Prepare: both, Recover: repairFlash,
			Run: repeated(times(10, 30), inTurn(setting("backup"), setting("active"))),
			Law: crashlab.Law{Known: versions, Keep: []string{"v2", "v1"}, Done: before, Boots: []string{"v1", "v2"}}},
		{Name: "repair, tries used up", Fixture: three, Recover: repairFlash,
			Prepare: records(nil, entry("v2", flash.Trial, 0), entry("v1", flash.Confirmed, 0)),
			Run:     func(dir, fstype string, _ func(string)) error { _, err := repairFlash(dir, fstype); return err },
			Law: crashlab.Law{Known: versions, Keep: []string{"v1"}, Done: before, Boots: []string{"v1", "v2"},
				Check: states(is{"v1": flash.Confirmed}, is{"v2": flash.Bad})}},
	}
}

// repeated does the same again and again.
func repeated(n int, run running) running { return inTurn(slices.Repeat([]running{run}, n)...) }
