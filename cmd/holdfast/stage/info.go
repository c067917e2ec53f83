package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"time"
)

// How often Watch looks. While the search runs the operator waits for its end. Afterwards there is
// news of a disk that comes or goes as long as no flash is found, and then only what PID 1 has to
// say: nobody watches whether the flash's disk is still there.
const (
	watchFast = 50 * time.Millisecond
	watchSlow = time.Second
)

// Read gives what PID 1 wrote last.
func Read() (Info, error) { return ReadFile(InfoFile) }

// ReadFile is Read from another place.
func ReadFile(name string) (Info, error) {
	var i Info
	b, err := os.ReadFile(name)
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(b, &i); err != nil {
		return Info{}, fmt.Errorf("read %s: %w", name, err)
	}
	return i, nil
}

// WriteFile replaces the file at once: whoever reads it sees the old text or the new, never a part.
// Nothing is synced, for the place is in memory.
func (i Info) WriteFile(name string) error {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(b, '\n'))
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// Watch gives what PID 1 wrote, now and at every change, until ctx ends; then it closes the
// channel. A file that is missing or not readable is waited for.
func Watch(ctx context.Context) <-chan Info { return watchFile(ctx, InfoFile) }

func watchFile(ctx context.Context, name string) <-chan Info {
	c := make(chan Info)
	go func() {
		defer close(c)
		last := Info{State: Searching}
		for first := true; ; {
			if i, err := ReadFile(name); err == nil && (first || !reflect.DeepEqual(i, last)) {
				select {
				case c <- i:
				case <-ctx.Done():
					return
				}
				first, last = false, i
			}
			pause := watchSlow
			if last.State == Searching {
				pause = watchFast
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}
