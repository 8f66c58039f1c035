package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/e2e/load"
)

// calls is a load of another kind than HTTP, every tenth request of which fails.
func calls(t *testing.T) *load.Load {
	t.Helper()
	n := 0
	l, err := load.Start(t.Context(), load.Options{Rate: 100, Concurrency: 1, Send: func(context.Context) load.Answer {
		if n++; n%10 == 0 {
			return load.Answer{Err: errors.New("unavailable")}
		}
		return load.Answer{Version: "v1", Pod: "shop-1", Status: http.StatusOK}
	}})
	require.NoError(t, err)
	return l
}

// through asks a handler as a client over a network would.
func through(t *testing.T, handler http.Handler) load.Elsewhere {
	return load.Elsewhere{
		Answers: func(_ context.Context, from int) (answers load.Answers, err error) {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/answers?from="+strconv.Itoa(from), nil))
			require.Equal(t, http.StatusOK, recorder.Code, recorder.Body)
			return answers, json.Unmarshal(recorder.Body.Bytes(), &answers)
		},
		Stop: func(context.Context) error {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/stop", nil))
			return nil
		},
	}
}

func TestALoadThatIsFollowedHasTheSameAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := calls(t)
		l := load.Follow(t.Context(), through(t, other.Handler()))
		require.NoError(t, l.WaitFor(t.Context(), 250, time.Time{}))
		l.Stop()

		require.Len(t, l.Answers(), len(other.Answers()))
		require.Len(t, l.Answers().Failures(), len(l.Answers())/10)
		for i, answer := range l.Answers() {
			require.True(t, other.Answers()[i].Sent.Equal(answer.Sent))
			require.Equal(t, other.Answers()[i].String(), answer.String())
		}
	})
}

func TestALookThatFailsIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := calls(t)
		way, looks := through(t, other.Handler()), 0
		reach := way.Answers
		way.Answers = func(ctx context.Context, from int) (load.Answers, error) {
			if looks++; looks == 2 {
				return nil, errors.New("cut")
			}
			return reach(ctx, from)
		}
		l := load.Follow(t.Context(), way)
		require.NoError(t, l.WaitFor(t.Context(), 250, time.Time{}))
		l.Stop()
		require.GreaterOrEqual(t, looks, 3)
		require.Len(t, l.Answers(), len(other.Answers()))
	})
}

func TestTheEndIsAskedForUntilItIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := calls(t)
		way, asked := through(t, other.Handler()), 0
		stop := way.Stop
		way.Stop = func(ctx context.Context) error {
			if asked++; asked < 3 {
				return errors.New("cut")
			}
			return stop(ctx)
		}
		l := load.Follow(t.Context(), way)
		require.NoError(t, l.WaitFor(t.Context(), 250, time.Time{}))
		l.Stop()
		require.Equal(t, 3, asked)
		require.Len(t, l.Answers(), len(other.Answers()))
		require.NotContains(t, l.Answers()[len(l.Answers())-1].String(), "cut")
	})
}

func TestManyAnswersComeInSeveralLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := calls(t)
		require.NoError(t, other.WaitFor(t.Context(), 12000, time.Time{}))
		way, looks := through(t, other.Handler()), 0
		reach := way.Answers
		way.Answers = func(ctx context.Context, from int) (load.Answers, error) {
			looks++
			answers, err := reach(ctx, from)
			require.LessOrEqual(t, len(answers), 5000)
			return answers, err
		}
		l := load.Follow(t.Context(), way)
		l.Stop()
		require.GreaterOrEqual(t, looks, 3)
		require.Len(t, l.Answers(), len(other.Answers()))
	})
}

func TestALookThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := calls(t)
		way, looks := through(t, other.Handler()), 0
		reach := way.Answers
		way.Answers = func(ctx context.Context, from int) (load.Answers, error) {
			if looks++; looks == 2 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return reach(ctx, from)
		}
		l := load.Follow(t.Context(), way)
		require.NoError(t, l.WaitFor(t.Context(), 250, time.Time{}))
		l.Stop()
		require.Len(t, l.Answers(), len(other.Answers()))
	})
}

func TestALoadWhoseEndIsUnknownHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := calls(t)
		defer other.Stop()
		way := through(t, other.Handler())
		way.Stop = func(context.Context) error { return errors.New("gone") }
		l := load.Follow(t.Context(), way)
		l.Stop()

		last := l.Answers()[len(l.Answers())-1]
		require.ErrorContains(t, last.Err, "follow the load to its end: gone")
		require.True(t, last.Failed())
	})
}

func TestAHandlerRefusesWhatItDoesNotHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := calls(t)
		other.Stop()
		for _, from := range []string{"", "-1", "1000", "x"} {
			recorder := httptest.NewRecorder()
			other.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/answers?from="+from, nil))
			require.Equal(t, http.StatusBadRequest, recorder.Code)
			require.Contains(t, recorder.Body.String(), strconv.Quote(from))
		}
	})
}
