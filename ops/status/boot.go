package status

import (
	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
)

// Boot is GRUB's saved default with what gives it a meaning.
type Boot struct {
	Place  grub.Place
	Saved  grub.Saved
	Menu   grub.Menu
	Blocks blockmap.Place // of the saved default on its partition, or of Stage2 on its disk; zero when not known
	Entry  grub.Entry     // that GRUB takes at the next start; its Key is "" when the menu has no such entry
	Next   []grub.Entry   // the next boot, then, then
}
