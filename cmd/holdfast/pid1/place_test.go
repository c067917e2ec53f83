package pid1

import (
	"slices"
	"testing"

	"holdfast/flash/disk"
	"holdfast/flash/volume"
)

// TestDrivers: a journal that waits is left alone, and a vfat goes on where it finds something wrong, which no
// remount could tell it later.
func TestDrivers(t *testing.T) {
	for _, tt := range []struct {
		fstype, unclean string
		want            []driver
	}{
		{"ext2", "", []driver{{"ext4", ""}, {"ext2", ""}}},
		{"ext4", "", []driver{{"ext4", ""}, {"ext4", "noload"}}},
		{"ext4", "its journal waits", []driver{{"ext4", "noload"}, {"ext4", "noload"}}},
		{"vfat", "", []driver{{"vfat", "errors=continue"}}},
		{"iso9660", "", []driver{{"iso9660", ""}}},
	} {
		s := volume.Seen{Unclean: tt.unclean, FileSystem: disk.FileSystem{Type: tt.fstype}}
		if got := drivers(s); !slices.Equal(got, tt.want) {
			t.Errorf("drivers of %s, %q = %v, want %v", tt.fstype, tt.unclean, got, tt.want)
		}
	}
}
