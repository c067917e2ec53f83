package main

import (
	"context"

	"holdfast/tui"
)

// foundArchives are the image archives on the volumes of this machine. Nothing is mounted for them.
func foundArchives(ctx context.Context) ([]tui.Archive, error) { return nil, nil }
