package istio

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/traffic/patch"
)

// errOthers: clients that stay where they are would never meet the other destinations of a rule, whose share is the owner's.
var errOthers = errors.New("the rule has other destinations besides the pair, which clients that stay on one version would no longer reach; " +
	"give them a rule of their own, or leave affinity out")

// setCookie makes the answers of a destination set a cookie, besides what it does to headers already. index is that of the destination, for
// people.
func setCookie(route map[string]json.RawMessage, index int, cookie string) error {
	nested := []map[string]json.RawMessage{route}
	names := []string{"headers", "response", "add"}
	for _, name := range names {
		fields, err := patch.Fields(nested[len(nested)-1][name])
		if err != nil {
			return fmt.Errorf("read %s of route[%d]: %w", name, index, err)
		}
		nested = append(nested, fields)
	}
	added := nested[len(names)]
	for name := range added {
		if strings.EqualFold(name, "Set-Cookie") {
			return fmt.Errorf("route[%d].headers.response.add has a %s itself, and Istio adds no header twice; leave one of the two out", index, name)
		}
	}
	added["set-cookie"] = patch.JSON(cookie)
	for i, name := range slices.Backward(names) {
		nested[i][name] = patch.JSON(nested[i+1])
	}
	return nil
}
