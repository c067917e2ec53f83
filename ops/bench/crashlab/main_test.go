package crashlab_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"holdfast/ops/bench/crashlab"
)

var (
	full = flag.Bool("lab.full", os.Getenv("HOLDFAST_LAB") == "full", "judge every state, as make soak does")
	seed = flag.Uint64("lab.seed", 0, "of what is drawn; 0 draws it too")
)

// theSeed is printed, so that a red run can be had again with -lab.seed.
var theSeed uint64

var (
	types    = []string{"ext2", "ext3", "ext4"}
	versions = []string{"v0", "v1", "v2", "v3", "v4"}
)

func TestMain(m *testing.M) {
	crashlab.Main()
	flag.Parse()
	if theSeed = *seed; theSeed == 0 {
		theSeed = uint64(time.Now().UnixNano())
	}
	fmt.Println("crash lab: -lab.seed", theSeed)
	os.Exit(m.Run())
}

// newLab is a lab that the test takes down.
func newLab(t testing.TB) *crashlab.Lab {
	t.Helper()
	lab := crashlab.New()
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}
