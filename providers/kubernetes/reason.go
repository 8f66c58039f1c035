package kubernetes

import (
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/analysis/outbound"
)

// reason is what the API server said. An answer that isn't the API's comes from something in between, which may quote the
// controller's own credentials; of that only the status is told.
func reason(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return outbound.Reason(err)
	}
	answer := status.Status()
	if answer.Details != nil {
		for _, cause := range answer.Details.Causes {
			if cause.Type == metav1.CauseTypeUnexpectedServerResponse {
				return fmt.Sprintf("%d %s, in words that aren't the API's", answer.Code, http.StatusText(int(answer.Code)))
			}
		}
	}
	return outbound.Reason(err)
}
