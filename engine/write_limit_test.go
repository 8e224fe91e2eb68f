package engine

import (
	"strings"
	"testing"
)

// A content that memory is not for is sent to root and to the login account, and refused to others, before a byte is read.
func TestLargeContentForAnotherAccount(t *testing.T) {
	w := WriteFile{Path: "/srv/f", Content: Blob{Size: largeContent + 1, Source: "/there/is/none"}}
	_, failed := (&node{}).writeFrame(t.Context(), setting{account: "svc"}, w)
	if failed == nil || failed.State != Problem || !strings.Contains(failed.Why, "log in as svc, or become root") {
		t.Errorf("got %+v", failed)
	}
	w.Content.Size = largeContent
	_, failed = (&node{}).writeFrame(t.Context(), setting{account: "svc"}, w)
	if failed == nil || !strings.Contains(failed.Why, "no such file") {
		t.Errorf("up to there it is read: got %+v", failed)
	}
}
