// Package confirm is what an appliance runs after a good boot: it sets the boot default back to the
// first entry of the group that was booted. Without it, GRUB goes on to the next entry at every start.
package confirm

import (
	"errors"

	"holdfast/ops/grubdefault"
	"holdfast/ops/status"
)

// Request asks for a confirmation.
type Request struct {
	Report      *status.Report
	CommandLine string // of the running kernel: img= and GRUB_ENTRY= say what was booted
	Slot        string // said by the operator; "" takes it from CommandLine
	Retries     int    // size of the groups, for a loader whose menu cannot be read; 0 when not given
}

// Plan is the change of the default that confirms. A default that is right already is a plan that
// changes nothing.
func (r Request) Plan() (grubdefault.Plan, error) { return grubdefault.Plan{}, errors.ErrUnsupported }
