package status

import (
	"strings"
	"time"

	"holdfast/flash"
	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
	"holdfast/kexec"
)

// Document is a report as scripts read it: `status --json`. What is absent or not known is null,
// sizes are bytes, and a list is never null.
type Document struct {
	Flash  FlashDocument    `json:"flash"`
	Slots  []SlotDocument   `json:"slots"`
	Staged []StagedDocument `json:"staged"`
	BootDocument
	Configs  []ConfigDocument `json:"configs"`
	Last     *LastDocument    `json:"last"`
	Problems []string         `json:"problems"`
}

// LastDocument is what happened last to the slots.
type LastDocument struct {
	Kind string    `json:"kind"` // installed, rotated, rolled-back, undone, finished
	Text string    `json:"text"`
	Time time.Time `json:"time"`
}

// FlashDocument is the flash itself.
type FlashDocument struct {
	Target string  `json:"target"`
	FSType *string `json:"fstype"`
	Access *string `json:"access"`
	Size   *int64  `json:"size"`
	Free   *int64  `json:"free"`
	Layout string  `json:"layout"`
}

// SlotDocument is a slot and its image.
type SlotDocument struct {
	Name      string   `json:"name"`
	Present   bool     `json:"present"`
	Version   *string  `json:"version"`
	Kernel    *string  `json:"kernel"` // the version that the kernel itself gives
	Size      *int64   `json:"size"`
	Integrity *string  `json:"integrity"`
	Signer    *string  `json:"signer"`
	State     string   `json:"state"`
	TriesLeft *int     `json:"tries_left"`
	Arguments *string  `json:"arguments"`
	Problems  []string `json:"problems"`
}

// StagedDocument is a staged image.
type StagedDocument struct {
	Version   string  `json:"version"` // the name of its directory, by which commands know it
	Integrity *string `json:"integrity"`
	Size      int64   `json:"size"`
}

// BootDocument is what decides the next boots, and what `default show --json` prints.
type BootDocument struct {
	BootDefault *DefaultDocument `json:"boot_default"`
	NextBoot    []string         `json:"next_boot"` // slots; the title of an entry that boots none
}

// DefaultDocument is GRUB's saved default. Its sector counts 512 bytes, from the start of the
// partition, for stage2 from the start of the disk.
type DefaultDocument struct {
	Form      string  `json:"form"`
	Device    *string `json:"device"`
	Partition *int    `json:"partition"`
	Sector    *int64  `json:"sector"`
	Count     *int64  `json:"count"`
	Entry     *string `json:"entry"`
	Title     *string `json:"title"`
	Slot      *string `json:"slot"`
}

// ConfigDocument is a configuration archive.
type ConfigDocument struct {
	Name      string  `json:"name"`
	Present   bool    `json:"present"`
	Files     *int    `json:"files"`
	Size      *int64  `json:"size"`
	Integrity *string `json:"integrity"`
}

// Document is the report for scripts. The arrays of an empty flash are there, and empty.
func (r *Report) Document() Document {
	d := Document{
		Flash:        r.flashDocument(),
		Slots:        []SlotDocument{},
		Staged:       []StagedDocument{},
		BootDocument: r.BootDocument(),
		Configs:      []ConfigDocument{},
		Last:         r.lastDocument(),
		Problems:     append([]string{}, r.AllProblems()...),
	}
	for _, i := range r.Images {
		if i.Staged {
			d.Staged = append(d.Staged, StagedDocument{Version: i.Name, Integrity: integrity(i.Integrity), Size: i.Size})
		} else {
			d.Slots = append(d.Slots, slotDocument(i))
		}
	}
	for _, c := range r.Configs {
		d.Configs = append(d.Configs, configDocument(c))
	}
	return d
}

func (r *Report) flashDocument() FlashDocument {
	t := r.Target
	d := FlashDocument{Target: t.Name, FSType: known(t.Type), Access: known(t.Access), Layout: r.Layout.String()}
	if t.Volume != nil {
		d.Size = known(t.Volume.Size)
		if free, err := t.Volume.Free(); err == nil {
			d.Free = &free
		}
	}
	return d
}

func slotDocument(i Image) SlotDocument {
	return SlotDocument{
		Name: i.Name, Present: i.Present, Version: known(i.Version), Kernel: known(i.Header.Version),
		Size: given(i.Size, i.Present), Integrity: integrity(i.Integrity), Signer: known(i.Signer),
		State: i.Entry.State.String(), TriesLeft: given(i.Entry.Tries, i.Entry.State == flash.Trial),
		Arguments: known(strings.Join(kexec.ParseArguments(i.Arguments), " ")),
		Problems:  append([]string{}, i.Problems...),
	}
}

var eventKinds = map[flash.EventKind]string{flash.Installed: "installed", flash.Rotated: "rotated",
	flash.RolledBack: "rolled-back", flash.Undone: "undone", flash.Finished: "finished"}

func (r *Report) lastDocument() *LastDocument {
	e := r.Record.Last
	text := r.Said(e)
	return given(LastDocument{Kind: eventKinds[e.Kind], Text: text, Time: e.At.UTC()}, text != "")
}

func configDocument(c Config) ConfigDocument {
	return ConfigDocument{
		Name: c.Name, Present: c.Present, Size: given(c.Size, c.Present),
		Files: given(c.Files, c.Integrity == flash.Intact), Integrity: integrity(c.Integrity),
	}
}

// BootDocument is the part of the report that is about the next boots.
func (r *Report) BootDocument() BootDocument {
	d := BootDocument{NextBoot: []string{}}
	b := r.Boot
	if b == nil {
		return d
	}
	for _, e := range b.Next {
		d.NextBoot = append(d.NextBoot, entryName(e))
	}
	saved := &DefaultDocument{Form: b.Place.Form.String(), Entry: known(b.Saved.Entry())}
	if v := r.Target.GRUB.Volume; v != nil {
		saved.Device = known(v.Disk)
		if b.Place.Form != grub.Stage2 { // which is on no partition
			saved.Partition = known(v.Partition)
		}
	}
	if b.Blocks != (blockmap.Place{}) {
		saved.Sector, saved.Count = &b.Blocks.Sector, &b.Blocks.Count
	}
	if e, ok := b.Menu.Find(b.Saved.Entry()); ok {
		saved.Title, saved.Slot = known(e.Title), known(e.Slot)
	}
	d.BootDefault = saved
	return d
}

// entryName is how a chain of next boots names an entry.
func entryName(e grub.Entry) string {
	if e.Slot != "" {
		return e.Slot
	}
	return e.Title
}

func integrity(i flash.Integrity) *string {
	return given(i.String(), i != flash.Unknown)
}

// known is v, and null when it is the zero value, which then stands for what is not known.
func known[T comparable](v T) *T {
	var zero T
	return given(v, v != zero)
}

func given[T any](v T, ok bool) *T {
	if !ok {
		return nil
	}
	return &v
}
