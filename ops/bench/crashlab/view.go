package crashlab

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// View is what a flash holds, as one of the judges sees it.
type View struct {
	Slots map[string]string // active, backup, factory: the version whose image is whole there, "" for none, or Broken
	Why   map[string]string // what is wrong with a broken slot
	Boots string            // the version that GRUB comes to, "maintenance", or Broken
	Chain string            // how it gets there
}

// Broken stands for an image of which something is missing or different.
const Broken = "BROKEN"

// Slots are the images under active and backup, "" for an empty one.
type Slots struct{ Active, Backup string }

func (s Slots) String() string { return fmt.Sprintf("{%s %s}", orNone(s.Active), orNone(s.Backup)) }

func orNone(version string) string {
	if version == "" {
		return "-"
	}
	return version
}

// Slots gives the pair of the view.
func (v View) pair() Slots { return Slots{v.Slots["active"], v.Slots["backup"]} }

func (v View) String() string {
	text := fmt.Sprintf("%v factory %s, boots %s (%s)", v.pair(), orNone(v.Slots["factory"]), v.Boots, v.Chain)
	for _, slot := range []string{"active", "backup", "factory"} {
		if why := v.Why[slot]; why != "" {
			text += "; " + slot + ": " + why
		}
	}
	return text
}

// catalogue is the images that a scenario knows, by their versions, with the hashes of their members.
type catalogue map[string]map[string]string

func newCatalogue(versions ...string) catalogue {
	c := catalogue{}
	for _, v := range versions {
		c[v] = NewImage(v).sums()
	}
	return c
}

// view makes a View of a flash's files, named from its root on.
func (c catalogue) view(files map[string][]byte) View {
	v := View{Slots: map[string]string{}, Why: map[string]string{}}
	for _, slot := range []string{"active", "backup", "factory"} {
		v.Slots[slot], v.Why[slot] = c.identify(below(files, "system/"+slot+"/"))
	}
	v.boot(files)
	return v
}

func below(files map[string][]byte, dir string) map[string]string {
	list := map[string]string{}
	for name, data := range files {
		if member, ok := strings.CutPrefix(name, dir); ok {
			list[member] = sum(data)
		}
	}
	return list
}

// identify says which image these members are: only all of one image and nothing else are one.
func (c catalogue) identify(members map[string]string) (version, why string) {
	if len(members) == 0 {
		return "", ""
	}
	fewest := 1 << 10
	for name, image := range c {
		wrong := differences(image, members)
		if len(wrong) == 0 {
			return name, ""
		}
		if len(wrong) < fewest {
			fewest, why = len(wrong), fmt.Sprintf("not %s: %s", name, strings.Join(wrong, ", "))
		}
	}
	return Broken, why
}

func differences(want, have map[string]string) (list []string) {
	for name, hash := range want {
		switch found, ok := have[name]; {
		case !ok:
			list = append(list, name+" is missing")
		case found != hash:
			list = append(list, name+" differs")
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			list = append(list, name+" is too much")
		}
	}
	slices.Sort(list)
	return list
}

// boot follows GRUB from the saved default on. GRUB goes on to the next fallback where a file is not
// there or empty; what it can load it boots, whole or not.
func (v *View) boot(files map[string][]byte) {
	menu, fallback := readMenu(string(files["boot/grub/menu.lst"]))
	saved := string(files["boot/grub/default"])
	end := strings.IndexFunc(saved, func(r rune) bool { return r < '0' || r > '9' })
	first, err := strconv.Atoi(saved[:max(end, 0)])
	if err != nil || len(saved) < 10 || len(menu) == 0 {
		v.Boots, v.Chain = Broken, "the menu or the saved default cannot be read"
		return
	}
	for _, n := range append([]int{first}, fallback...) {
		v.Chain = strings.TrimPrefix(fmt.Sprintf("%s, entry %d", v.Chain, n), ", ")
		if n >= len(menu) || !menu[n].loads(files) {
			continue
		}
		if v.Boots = v.Slots[menu[n].slot]; menu[n].slot == "" {
			v.Boots = "maintenance"
		}
		return
	}
	v.Boots = Broken
}

type menuEntry struct {
	files []string // that it loads
	slot  string   // "" for the maintenance kernel
}

func (e menuEntry) loads(files map[string][]byte) bool {
	return !slices.ContainsFunc(e.files, func(name string) bool { return len(files[name]) == 0 })
}

// readMenu reads the lines of a menu.lst that the lab's own has.
func readMenu(text string) (menu []menuEntry, fallback []int) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) < 2:
		case words[0] == "fallback":
			for _, word := range words[1:] {
				if n, err := strconv.Atoi(word); err == nil {
					fallback = append(fallback, n)
				}
			}
		case words[0] == "title":
			menu = append(menu, menuEntry{})
		case len(menu) > 0 && (words[0] == "kernel" || words[0] == "initrd"):
			e := &menu[len(menu)-1]
			e.files = append(e.files, strings.TrimPrefix(words[1], "/"))
			if dir, ok := strings.CutPrefix(path.Dir(words[1]), "/system/"); ok {
				e.slot = dir
			}
		}
	}
	return menu, fallback
}
