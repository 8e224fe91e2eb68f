package engine

import "cvsplay/engine/nodeset"

// FoldHosts writes host names as one short pattern for a message: node[001-003,020].
func FoldHosts(names []string) string { return nodeset.Fold(names) }
