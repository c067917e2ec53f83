package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"holdfast/flash/flashtest"
)

const diskSize = 64 << 20

// sfdisk makes a partition table. It knows sectors of 512 bytes only, on files.
func sfdisk(t testing.TB, script string) *os.File {
	t.Helper()
	f := blank(t, diskSize)
	path := "/usr/sbin/sfdisk"
	if found, err := exec.LookPath("sfdisk"); err == nil {
		path = found
	}
	cmd := exec.Command(path, "-q", "--no-reread", f.Name())
	cmd.Stdin = strings.NewReader(script)
	if _, err := os.Stat(path); err != nil {
		t.Fatal("sfdisk is missing: apt-get install fdisk")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	return f
}

var scripts = map[string]string{
	"mbr":          "label: dos\nstart=2048, size=20480, type=83\n\nstart=22528, size=1, type=c\n",
	"mbr, gaps":    "label: dos\n2: start=2048, size=20480, type=83\n4: start=40960, size=100, type=83\n",
	"logical":      "label: dos\nsize=4096, type=83\nsize=40960, type=5\nsize=4096, type=83\nsize=8192, type=83\nsize=2048, type=c\nsize=1024, type=82\n",
	"logical, LBA": "label: dos\n1: size=40960, type=f\n2: size=2048, type=83\n5: size=8192, type=83\n6: size=2048, type=83\n",
	"empty box":    "label: dos\nsize=4096, type=83\nsize=40960, type=5\n",
	"gpt":          "label: gpt\nsize=4096\n4: start=20480, size=40960\n9: size=1\n",
}

// mbrOf4096 is a table as fdisk makes it on a disk of 4096-byte sectors: the logical partitions too
// count in those.
func mbrOf4096(t testing.TB) *os.File {
	t.Helper()
	f := blank(t, diskSize)
	put := func(sector int64, slot int, kind byte, start, length uint32) {
		b := make([]byte, 16)
		b[4] = kind
		binary.LittleEndian.PutUint32(b[8:], start)
		binary.LittleEndian.PutUint32(b[12:], length)
		f.WriteAt(b, sector*4096+446+int64(slot)*16)
		f.WriteAt([]byte{0x55, 0xaa}, sector*4096+510)
	}
	put(0, 0, 0x83, 256, 1024)
	put(0, 1, 0x05, 2048, 4096)
	put(2048, 0, 0x83, 256, 512)
	put(2048, 1, 0x05, 1024, 2000)
	put(3072, 0, 0x83, 256, 1000)
	return f
}

// gptOf4096 is made by a library for disks that cannot be told of their sectors' size.
func gptOf4096(t testing.TB) *os.File {
	t.Helper()
	f := blank(t, diskSize)
	table := gpt.Table{LogicalSectorSize: 4096, PhysicalSectorSize: 4096, ProtectiveMBR: true, Partitions: []*gpt.Partition{
		{Index: 1, Type: gpt.LinuxFilesystem, Start: 256, End: 511}, {Index: 4, Type: gpt.LinuxFilesystem, Start: 512, End: diskSize/4096 - 6},
	}}
	if err := table.Write(f, diskSize); err != nil {
		t.Fatal(err)
	}
	return f
}

// partitions is what partx reads of a disk with sectors of that size, in the words of fmt. It shows
// extended partitions too, as a box of a size that depends on its version, but not those of no use.
func partitions(t *testing.T, f *os.File, sector int64) []string {
	t.Helper()
	out := tell(t, "util-linux", "partx", "-S", fmt.Sprint(sector), "-g", "-b", "-o", "NR,START,SIZE,TYPE", f.Name())
	var list []string
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) == 4 && (fields[3] == "0x5" || fields[3] == "0xf") {
			continue
		}
		list = append(list, strings.Join(fields[:3], " "))
	}
	slices.Sort(list)
	return list
}

func texts(t Table) []string {
	var list []string
	for _, p := range t.Partitions {
		list = append(list, fmt.Sprint(p.Number, p.Start/512, p.Size)) // partx counts so whatever the sectors are
	}
	slices.Sort(list)
	return list
}

func TestReadTableAsPartx(t *testing.T) {
	type made struct {
		name   string
		disk   *os.File
		sector int64
	}
	var all []made
	for name, script := range scripts {
		all = append(all, made{name, sfdisk(t, script), 512})
	}
	all = append(all, made{"mbr of 4096", mbrOf4096(t), 4096}, made{"gpt of 4096", gptOf4096(t), 4096})
	for _, d := range all {
		table, err := ReadTable(d.disk, diskSize, d.sector)
		want := partitions(t, d.disk, d.sector)
		if got := texts(table); err != nil || !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: ReadTable = %q, %v, want %q", d.name, got, err, want)
		}
		if table.Sector != d.sector || table.Notice != "" {
			t.Errorf("%s: sector %d, notice %q, want %d and none", d.name, table.Sector, table.Notice, d.sector)
		}
	}
}

// Nobody says how large the sectors of an image are.
func TestReadTableGuessesTheSector(t *testing.T) {
	mbr := mbrOf4096(t)
	part := blank(t, 2<<20)
	tell(t, "e2fsprogs", "mke2fs", "-q", "-F", "-t", "ext2", part.Name())
	b, err := os.ReadFile(part.Name())
	if err != nil {
		t.Fatal(err)
	}
	mbr.WriteAt(b, (3072+256)*4096) // in the second logical partition
	backup := gptOf4096(t)
	backup.WriteAt(make([]byte, 4096), 4096)
	for _, c := range []struct {
		name string
		disk *os.File
		want int64
	}{
		{"MBR with a file system", mbr, 4096},
		{"GPT", gptOf4096(t), 4096},
		{"copy of a GPT", backup, 4096},
		{"MBR of 512", sfdisk(t, scripts["logical"]), 512},
		{"GPT of 512", sfdisk(t, scripts["gpt"]), 512},
	} {
		want, wantErr := ReadTable(c.disk, diskSize, c.want)
		got, err := ReadTable(c.disk, diskSize, 0)
		if err != nil || wantErr != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: ReadTable = %v, %v, want %v, %v", c.name, got, err, want, wantErr)
		}
	}
}

func TestReadTableOfBackupGPT(t *testing.T) {
	f := sfdisk(t, scripts["gpt"])
	want, _ := ReadTable(f, diskSize, 512)
	header, last := make([]byte, 512), make([]byte, 512)
	f.ReadAt(header, 512)
	f.ReadAt(last, diskSize-512)
	f.WriteAt(last, 512) // as a careless copy leaves it
	if got, err := ReadTable(f, diskSize, 512); err != nil || !strings.Contains(got.Notice, "sector 1 holds the header of sector 131071") {
		t.Errorf("ReadTable with the last header in the place of the first = %v, %v, want a notice", got, err)
	}
	f.WriteAt(header, 512)
	f.WriteAt([]byte("!"), 512+50) // no longer what its checksum says
	got, err := ReadTable(f, diskSize, 512)
	if err != nil || fmt.Sprint(got.Partitions) != fmt.Sprint(want.Partitions) || !strings.Contains(got.Notice, "wrong checksum of the header") {
		t.Errorf("ReadTable with a damaged header = %v, %v, want %v and a notice", got, err, want)
	}
	f.WriteAt([]byte("!"), diskSize-512-33*512+512) // the entries of the copy
	if got, err := ReadTable(f, diskSize, 512); err == nil || !strings.Contains(err.Error(), "wrong checksum of the entries") {
		t.Errorf("ReadTable without the copy = %v, %v, want an error about both", got, err)
	}
}

// A file system on the whole disk, and sectors that look like a table of partitions.
func TestReadTableWithoutTable(t *testing.T) {
	for name, format := range map[string][]string{
		"FAT":                    {"dosfstools", "mkfs.vfat", "-F", "16"},
		"FAT with an MBR":        {"dosfstools", "mkfs.vfat", "-F", "32", "--mbr=yes"},
		"FAT of 4096":            {"dosfstools", "mkfs.vfat", "-F", "16", "-S", "4096"},
		"ext2":                   {"e2fsprogs", "mke2fs", "-q", "-F", "-t", "ext2"},
		"ext4 behind GRUB's MBR": {"e2fsprogs", "mke2fs", "-q", "-F", "-t", "ext4"},
	} {
		f := blank(t, diskSize)
		tell(t, format[0], format[1], append(format[2:], f.Name())...)
		if strings.Contains(name, "GRUB") {
			f.WriteAt([]byte{0x55, 0xaa}, 510)
		}
		for _, sector := range []int64{0, 512, 4096} {
			if table, err := ReadTable(f, diskSize, sector); !errors.Is(err, ErrNoTable) {
				t.Errorf("%s, sectors of %d: ReadTable = %v, %v, want ErrNoTable", name, sector, table, err)
			}
		}
	}
}

// bootRecordOf is a disk of 8 sectors whose first holds those entries.
func bootRecordOf(entries ...[]byte) []byte {
	b := make([]byte, 4096)
	for i, e := range entries {
		copy(b[446+16*i:], e)
	}
	b[510], b[511] = 0x55, 0xaa
	return b
}

func entryOf(kind, start, length byte) []byte {
	return []byte{0, 0, 0, 0, kind, 0, 0, 0, start, 0, 0, 0, length, 0, 0, 0}
}

func TestReadTableRefuses(t *testing.T) {
	loop := bootRecordOf(entryOf(5, 1, 7))
	copy(loop[512:], bootRecordOf(entryOf(0x83, 1, 1), entryOf(5, 1, 1))[:512])
	copy(loop[1024:], bootRecordOf(entryOf(0x83, 1, 1), entryOf(5, 1, 1))[:512])
	broken := bootRecordOf(entryOf(5, 1, 7))
	copy(broken[512:], bootRecordOf(entryOf(0x83, 1, 1), entryOf(5, 3, 1))[:512])
	orphan := make([]byte, 4096)
	copy(orphan[512:], "EFI PART")
	tests := []struct {
		name string
		disk []byte
		want string // "" for an empty table
	}{
		{"empty", nil, "no partition table"},
		{"zeros", make([]byte, 4096), "no partition table"},
		{"table without partitions", bootRecordOf(), ""},
		{"extended without anything in it", bootRecordOf(entryOf(5, 1, 2)), ""},
		{"extended outside", bootRecordOf(entryOf(5, 200, 2)), ""},
		{"over the end", bootRecordOf(entryOf(0x83, 1, 8)), "partition 1 is outside of the disk: 8 sectors from 1 on, of 8"},
		{"at 0", bootRecordOf(entryOf(0x83, 0, 8)), "outside"},
		{"largest", bootRecordOf([]byte{0, 0, 0, 0, 0x83, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}), "outside"},
		{"protective", bootRecordOf(entryOf(0xee, 1, 7)), "damaged"},
		{"hybrid", bootRecordOf(entryOf(0x83, 1, 1), entryOf(0xee, 1, 7)), "damaged"},
		{"not bootable nor not", bootRecordOf([]byte{7}), "no partition table"},
		{"a chain that comes back", loop, "no end: sector 2"},
		{"a chain that breaks off", broken, "logical partitions: sector 4: no boot record"},
		{"a GPT of which sector 0 knows nothing", orphan, "sector 0 does not say so"},
	}
	for _, test := range tests {
		table, err := ReadTable(bytes.NewReader(test.disk), int64(len(test.disk)), 512)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) || len(table.Partitions) != 0 {
			t.Errorf("%s: ReadTable = %v, %v, want %q", test.name, table, err, test.want)
		}
	}
}

func TestDecodeHeaderRefuses(t *testing.T) {
	f := sfdisk(t, scripts["gpt"])
	for _, c := range []struct {
		at    int64
		value uint32
		want  string
	}{
		{0, 0, "no header"},
		{12, 91, "a header of 91 bytes"},
		{12, 513, "a header of 513 bytes"},
		{16, 0, "wrong checksum"},
		{80, 1025, "1025 entries of 128 bytes"},
		{84, 0, "128 entries of 0 bytes"},
		{84, 256, "128 entries of 256 bytes"},
	} {
		b := make([]byte, 512)
		f.ReadAt(b, 512)
		binary.LittleEndian.PutUint32(b[c.at:], c.value)
		if c.at >= 80 {
			sign(b)
		}
		if h, err := decodeHeader(b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d at %d: decodeHeader = %+v, %v, want %q", c.value, c.at, h, err, c.want)
		}
	}
}

// sign gives a header the checksum that belongs to it.
func sign(header []byte) {
	clear(header[16:20])
	binary.LittleEndian.PutUint32(header[16:], crc32.ChecksumIEEE(header[:gptHeader]))
}

func TestReadTableTellsDiskErrors(t *testing.T) {
	if table, err := ReadTable(broken{}, diskSize, 0); !errors.Is(err, errBroken) {
		t.Errorf("ReadTable of a broken disk = %v, %v, want its error", table, err)
	}
}

// sparse is a disk of which a fuzz test made the first and the last bytes; between them are zeros.
type sparse struct {
	b    []byte
	size int64
}

func (d sparse) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	if off < int64(len(d.b)) {
		copy(b, d.b[off:])
	}
	if from := d.size - int64(len(d.b)); off >= from && off < d.size {
		copy(b, d.b[off-from:])
	}
	if off+int64(len(b)) > d.size {
		return int(max(0, d.size-off)), io.EOF
	}
	return len(b), nil
}

// sectorsOf lays pieces into sectors. Four entries and less go to their place in a boot record, what
// is longer to the sector's start: a small input tries more than whole sectors would. The checksums
// of a GPT are made right: they keep out accidents, not somebody who writes what no program would.
func sectorsOf(sector int, pieces ...[]byte) []byte {
	b := make([]byte, len(pieces)*sector)
	for i, p := range pieces {
		at := b[i*sector:][:sector]
		if len(p) > 64 {
			copy(at, p)
			continue
		}
		copy(at[446:], p)
		at[510], at[511] = 0x55, 0xaa
	}
	if h := b[sector:][:sector]; isGPT(h) {
		count := int(binary.LittleEndian.Uint32(h[80:]) % 16)
		if entries := b[2*sector:]; count*gptEntry <= len(entries) {
			binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(entries[:count*gptEntry]))
		}
		sign(h)
	}
	return b
}

// gptPieces are the header of a GPT with 2 entries, and one of those.
func gptPieces() (header, entry []byte) {
	le := binary.LittleEndian
	header, entry = make([]byte, gptHeader), make([]byte, gptEntry)
	copy(header, "EFI PART\x00\x00\x01\x00\x5c")
	le.PutUint64(header[24:], 1)
	le.PutUint64(header[72:], 2)
	le.PutUint32(header[80:], 2)
	le.PutUint32(header[84:], gptEntry)
	entry[0] = 1
	le.PutUint64(entry[32:], 3)
	le.PutUint64(entry[40:], 5)
	return header, entry
}

func FuzzReadTable(f *testing.F) {
	join := func(entries ...[]byte) []byte { return bytes.Join(entries, nil) }
	header, entry := gptPieces()
	for _, seed := range [][3][]byte{
		{join(entryOf(0x83, 4, 2), entryOf(5, 1, 3)), join(entryOf(0x83, 1, 1), entryOf(5, 1, 2)), entryOf(0x83, 1, 1)},
		{entryOf(0xee, 1, 7), header, entry},
	} {
		for _, sector := range sectors {
			size := 8 * sector
			table, err := ReadTable(sparse{sectorsOf(int(sector), seed[:]...), size}, size, sector)
			if err != nil || len(table.Partitions) == 0 {
				f.Fatalf("a seed is no table: %v, %v", table, err)
			}
			f.Add(seed[0], seed[1], seed[2], sector == 4096, size)
		}
	}
	f.Fuzz(func(t *testing.T, first, second, third []byte, large bool, size int64) {
		sector := sectors[0]
		if large {
			sector = sectors[1]
		}
		b := sectorsOf(int(sector), first, second, third)
		if size < int64(len(b)) || size > 1<<50 {
			size = int64(len(b))
		}
		for _, told := range []int64{0, sector} {
			var table Table
			var err error
			flashtest.Bounded(t, 4<<20, func() { table, err = ReadTable(sparse{b, size}, size, told) })
			if len(table.Partitions) > 2048 {
				t.Errorf("%d partitions", len(table.Partitions))
			}
			for _, p := range table.Partitions {
				if err != nil || p.Start <= 0 || p.Size <= 0 || p.Start+p.Size > size {
					t.Errorf("ReadTable of %d bytes = %+v, %v", size, p, err)
				}
			}
		}
	})
}
