package pid1

import (
	"fmt"

	"holdfast/cmd/holdfast/stage"
	"holdfast/flash/volume"
)

// verdict is what the volumes seen so far amount to.
type verdict struct {
	state      stage.State   // Found, None or Several
	choice     volume.Choice // when Found
	candidates []stage.Volume
	problem    string
}

// decide chooses the flash: the volume that word, the value of flash=, names, or with "" the only
// one that holds a flash's layout.
func decide(list []volume.Seen, word string) verdict {
	v := verdict{state: stage.Found}
	for _, s := range list {
		if s.Flash {
			v.candidates = append(v.candidates, described(s))
		}
	}
	choice, problem := volume.Choose(list, word)
	switch {
	case problem == nil:
		v.choice = choice
	case len(problem.Candidates) > 1:
		v.state, v.problem = stage.Several, problem.Error()
		if word == "" {
			v.problem += fmt.Sprintf(": say which by flash=%s on the kernel command line", v.candidates[0].Device)
		}
	default:
		v.state, v.problem = stage.None, problem.Error()
	}
	return v
}

// settles reports whether the choice may change as long as disks turn up. One that is named is the
// right one whatever comes; one that was taken for another name is not.
func (v verdict) settles(word string) bool { return word == "" || v.choice.Note != "" }

// described is a volume as the others read it.
func described(s volume.Seen) stage.Volume {
	return stage.Volume{Device: s.Name, Type: s.Type, UUID: s.UUID, Label: s.Label, Unclean: s.Unclean != ""}
}

// mounted is the same where it is mounted.
func mounted(s volume.Seen, dir string) stage.Volume {
	v := described(s)
	v.Dir, v.Access = dir, "ro"
	return v
}
