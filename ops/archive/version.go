package archive

import (
	"cmp"
	"fmt"
	"strings"

	"holdfast/flash"
	"holdfast/flash/store"
)

// CheckVersion says whether version can be that of an image. It may become the name of a folder beside
// the slots, so the names of slots and of the folders that operations use are not versions.
func CheckVersion(version string) error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
	rest := strings.TrimLeft(version, letters+".+~-")
	if rest != "" || version == "" || len(version) > 64 || !strings.Contains(letters, version[:1]) {
		return fmt.Errorf("version %s: want at most 64 letters, digits and . _ + ~ -, the first a letter, a digit or _", shown(version))
	}
	for _, name := range []string{flash.Active, flash.Backup, flash.Factory, "incoming", "hold", "trash", "archive"} {
		// vfat does not tell Active from active; img=archive is an image that was booted from memory.
		if strings.EqualFold(version, name) {
			return fmt.Errorf("version %q: is a name that means something else", version)
		}
	}
	return nil
}

// CheckStaged is CheckVersion for a version that can also be put beside the slots under its name.
func CheckStaged(version string) error {
	return cmp.Or(CheckVersion(version), store.CheckVersion(version))
}
