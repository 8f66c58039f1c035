package gatewayapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/traffic/patch"
)

// The filter that adds headers to answers. A list of filters may have it once only.
const responseHeaders = "ResponseHeaderModifier"

// canStick is an error if the clients of a rule can't be kept on one version. With other backends beside the pair they would never meet
// these, whose share is the owner's. And a gateway's own sessions outlast every weight, also that of 0 (GEP-1619): nobody could be taken back.
func (p place) canStick(fields map[string]json.RawMessage) error {
	switch {
	case p.shared:
		return errors.New("the rule has other backends besides the pair, which clients that stay on one version would no longer reach; " +
			"give them a rule of their own, or leave affinity out")
	case !patch.IsNull(fields["sessionPersistence"]):
		return errors.New("the rule has sessionPersistence, which keeps clients on the canary when its weight is 0, too; leave it or affinity out")
	}
	return nil
}

// setCookie makes the answers of a backend set a cookie, besides what its filters do already. index is that of the backendRef, for people.
func setCookie(backend map[string]json.RawMessage, index int, cookie string) error {
	filters, err := patch.Entries(backend["filters"])
	if err != nil {
		return fmt.Errorf("read backendRefs[%d].filters: %w", index, err)
	}
	for i, raw := range filters {
		filter, err := patch.Fields(raw)
		if err != nil {
			return fmt.Errorf("read backendRefs[%d].filters[%d]: %w", index, i, err)
		}
		if string(filter["type"]) != string(patch.JSON(responseHeaders)) {
			continue
		}
		modifier, err := addCookie(filter["responseHeaderModifier"], cookie)
		if err != nil {
			return fmt.Errorf("backendRefs[%d].filters[%d].responseHeaderModifier: %w", index, i, err)
		}
		filter["responseHeaderModifier"] = modifier
		filters[i] = patch.JSON(filter)
		backend["filters"] = patch.JSON(filters)
		return nil
	}
	modifier, err := addCookie(nil, cookie)
	if err != nil {
		return err
	}
	backend["filters"] = patch.JSON(append(filters, patch.JSON(map[string]any{"type": responseHeaders, "responseHeaderModifier": modifier})))
	return nil
}

// addCookie adds a cookie to what a filter adds. The API takes no header twice there.
func addCookie(modifier json.RawMessage, cookie string) (json.RawMessage, error) {
	fields, err := patch.Fields(modifier)
	if err != nil {
		return nil, err
	}
	added, err := patch.Entries(fields["add"])
	if err != nil {
		return nil, fmt.Errorf("read add: %w", err)
	}
	header := map[string]string{"name": "Set-Cookie", "value": cookie}
	if slices.ContainsFunc(added, func(entry json.RawMessage) bool {
		var there struct{ Name string }
		return json.Unmarshal(entry, &there) == nil && strings.EqualFold(there.Name, header["name"])
	}) {
		return nil, errors.New("it adds a Set-Cookie itself, and no filter can add two; leave one of the two out")
	}
	fields["add"] = patch.JSON(append(added, patch.JSON(header)))
	return patch.JSON(fields), nil
}
