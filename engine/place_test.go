package engine

import "testing"

// What runs inside a container is brought there as the account whose container it is, whoever it runs as inside; so is a file, and so is the end of what a
// script left there.
func TestPlaceIsEnteredAsItsKeeper(t *testing.T) {
	for _, keeper := range []string{"", "root"} {
		p := &place{name: "box", runtime: PodmanRuntime, keeper: keeper}
		set := setting{place: p, account: "user"}
		if got := set.login(Shell{}); got != keeper {
			t.Errorf("keeper %q: asked as %q", keeper, got)
		}
		if got := set.login(Shell{OnHost: true}); got != "" {
			t.Errorf("keeper %q: asked on the host as %q", keeper, got)
		}
		for what, account := range map[string]string{
			"a script": set.shellFrame(Shell{Text: "true"}, actionLimit, nil).script.Account,
			"a file":   set.writeInside(WriteFile{Path: "/x"}, "/tmp/up").script.Account,
			"the end":  newReaper(*p).script(nil).Account,
		} {
			if account != keeper {
				t.Errorf("keeper %q: %s goes as %q", keeper, what, account)
			}
		}
		if other := (setting{place: &place{name: "box", runtime: PodmanRuntime, keeper: "other"}, account: "user"}); other.key() == set.key() {
			t.Errorf("keeper %q: the same place as another account's container", keeper)
		}
	}
}
