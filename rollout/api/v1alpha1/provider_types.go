package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// MetricProvider says whom to ask for a metric. The variables of a query may stand in every text. Secrets are those of the
// Rollout's namespace.
//
// +kubebuilder:validation:XValidation:rule="[has(self.prometheus), has(self.web), has(self.job), has(self.kubernetes), has(self.datadog), has(self.cloudWatch), has(self.newRelic), has(self.influxdb), has(self.graphite)].filter(x, x).size() == 1",message="a provider is exactly one of prometheus, web, job, kubernetes, datadog, cloudWatch, newRelic, influxdb and graphite"
type MetricProvider struct {
	// Prometheus is a server of its own, or whatever speaks its API.
	// +optional
	Prometheus *PrometheusProvider `json:"prometheus,omitempty"`
	// Web is any server that answers with JSON.
	// +optional
	Web *WebProvider `json:"web,omitempty"`
	// Job runs a Job for each measurement; success is 1, failure is 0.
	// +optional
	Job *JobProvider `json:"job,omitempty"`
	// Kubernetes is custom.metrics.k8s.io or external.metrics.k8s.io.
	// +optional
	Kubernetes *KubernetesProvider `json:"kubernetes,omitempty"`
	// +optional
	Datadog *DatadogProvider `json:"datadog,omitempty"`
	// CloudWatch is Amazon's.
	// +optional
	CloudWatch *CloudWatchProvider `json:"cloudWatch,omitempty"`
	// +optional
	NewRelic *NewRelicProvider `json:"newRelic,omitempty"`
	// InfluxDB is version 2, asked by Flux.
	// +optional
	InfluxDB *InfluxDBProvider `json:"influxdb,omitempty"`
	// +optional
	Graphite *GraphiteProvider `json:"graphite,omitempty"`

	// unread is the provider as it was written, if that can't be read. Then it has nothing else.
	unread []byte
}

// PrometheusProvider asks a Prometheus server, Thanos, Mimir or VictoriaMetrics.
type PrometheusProvider struct {
	// Address like http://prometheus.monitoring:9090, with a path if there is a prefix.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Address string `json:"address"`
	// Query in PromQL.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query"`
	// Tenant of Mimir, Cortex or Thanos: the value of the header X-Scope-OrgID.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Tenant     string `json:"tenant,omitempty"`
	Connection `json:",inline"`
}

// WebProvider asks a server for a JSON document.
type WebProvider struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	URL string `json:"url"`
	// Method is GET unless there is a body, then POST.
	// +optional
	// +kubebuilder:validation:Enum=GET;POST;PUT
	Method string `json:"method,omitempty"`
	// Body is sent as JSON.
	// +optional
	// +kubebuilder:validation:MaxLength=16384
	Body string `json:"body,omitempty"`
	// JSONPath is where the answer is, as kubectl writes it: {.data.ratio}. Default is the whole document.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	JSONPath   string `json:"jsonPath,omitempty"`
	Connection `json:",inline"`
}

// JobProvider runs a Job in the Rollout's namespace.
type JobProvider struct {
	// Labels and annotations of the Job.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// Spec is a batch/v1 JobSpec. Unless it says so itself, it may take 10 minutes, isn't tried twice, and is removed an
	// hour after its end.
	// +required
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Spec runtime.RawExtension `json:"spec"`
}

// KubernetesProvider asks an API of Kubernetes for a metric.
//
// +kubebuilder:validation:XValidation:rule="has(self.external) != has(self.custom)",message="kubernetes is exactly one of external and custom"
type KubernetesProvider struct {
	// +optional
	External *ExternalMetric `json:"external,omitempty"`
	// +optional
	Custom *CustomMetric `json:"custom,omitempty"`
}

// ExternalMetric belongs to no object of the cluster.
type ExternalMetric struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Metric string `json:"metric"`
	// Selector over the labels of the metric.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// CustomMetric belongs to objects of the Rollout's namespace. Several objects give as many values.
//
// +kubebuilder:validation:XValidation:rule="has(self.name) != has(self.selector)",message="custom needs exactly one of name and selector"
type CustomMetric struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Metric string `json:"metric"`
	// Resource is the plural, with its group behind a dot: pods, httproutes.gateway.networking.k8s.io.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Resource string `json:"resource"`
	// Name of one object.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// Selector of objects, for example {matchLabels: {pod-template-hash: "{{revision}}"}} for the pods of the canary.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// DatadogProvider asks Datadog's timeseries API.
type DatadogProvider struct {
	// Address of the site's API. Default https://api.datadoghq.com.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Address string `json:"address,omitempty"`
	// Query whose newest point in the window counts.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query"`
	// +required
	APIKey SecretKey `json:"apiKey"`
	// ApplicationKey needs the scope timeseries_query.
	// +required
	ApplicationKey SecretKey `json:"applicationKey"`
}

// CloudWatchProvider asks Amazon CloudWatch. It signs with the keys of a Secret, never as the controller.
type CloudWatchProvider struct {
	// Region like eu-central-1.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Region string `json:"region"`
	// Address takes the place of CloudWatch's own, for example that of a VPC endpoint.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Address string `json:"address,omitempty"`
	// Keys sign the requests.
	// +required
	Keys AWSKeys `json:"keys"`
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=id
	Queries []CloudWatchQuery `json:"queries"`
}

// CloudWatchQuery is an expression or a metric.
//
// +kubebuilder:validation:XValidation:rule="has(self.expression) != has(self.metric)",message="a query is exactly one of expression and metric"
type CloudWatchQuery struct {
	// ID is how expressions name the query.
	// +required
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[a-z][a-zA-Z0-9_]*$`
	ID string `json:"id"`
	// Expression of metric math or Metrics Insights.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expression string `json:"expression,omitempty"`
	// +optional
	Metric *CloudWatchMetric `json:"metric,omitempty"`
	// PeriodSeconds is the granularity. Default 60.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PeriodSeconds int32 `json:"periodSeconds,omitempty"`
	// Hidden queries are only for the expressions of others.
	// +optional
	Hidden bool `json:"hidden,omitempty"`
}

// CloudWatchMetric names a metric.
type CloudWatchMetric struct {
	// +required
	// +kubebuilder:validation:MaxLength=255
	Namespace string `json:"namespace"`
	// +required
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name"`
	// +optional
	Dimensions map[string]string `json:"dimensions,omitempty"`
	// Statistic like Sum, Average or p99.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Statistic string `json:"statistic"`
}

// NewRelicProvider asks New Relic through NerdGraph.
type NewRelicProvider struct {
	// Address of NerdGraph. Default https://api.newrelic.com/graphql; https://api.eu.newrelic.com/graphql in the EU.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Address string `json:"address,omitempty"`
	// AccountID is the number of the account.
	// +required
	// +kubebuilder:validation:Minimum=1
	AccountID int64 `json:"accountID"`
	// Query in NRQL. Without SINCE it looks back by the window.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query"`
	// +required
	UserKey SecretKey `json:"userKey"`
}

// InfluxDBProvider asks InfluxDB 2.
type InfluxDBProvider struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Address string `json:"address"`
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Organization string `json:"organization"`
	// Query in Flux, with range(start: -{{window}}).
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query"`
	// +required
	Token SecretKey `json:"token"`
}

// GraphiteProvider asks Graphite's render API.
type GraphiteProvider struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Address string `json:"address"`
	// Query is a target whose newest point in the window counts.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query      string `json:"query"`
	Connection `json:",inline"`
}

// Connection is how a server is reached.
type Connection struct {
	// +optional
	Authorization *Authorization `json:"authorization,omitempty"`
	// Headers go to this server only, not to where it redirects.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	Headers []Header `json:"headers,omitempty"`
	// +optional
	TLS *ConnectionTLS `json:"tls,omitempty"`
}

// Authorization is how the controller proves who asks.
//
// +kubebuilder:validation:XValidation:rule="[has(self.bearer), has(self.basic), has(self.oauth2), has(self.sigV4)].filter(x, x).size() == 1",message="authorization is exactly one of bearer, basic, oauth2 and sigV4"
type Authorization struct {
	// Bearer is a token.
	// +optional
	Bearer *SecretKey `json:"bearer,omitempty"`
	// +optional
	Basic *BasicAuthorization `json:"basic,omitempty"`
	// OAuth2 gets tokens by client credentials.
	// +optional
	OAuth2 *OAuth2Authorization `json:"oauth2,omitempty"`
	// SigV4 signs as AWS wants it.
	// +optional
	SigV4 *SigV4Authorization `json:"sigV4,omitempty"`
}

// BasicAuthorization is a user and a password.
type BasicAuthorization struct {
	// +required
	Username SecretKey `json:"username"`
	// +required
	Password SecretKey `json:"password"`
}

// OAuth2Authorization is the grant of client credentials.
type OAuth2Authorization struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	TokenURL string `json:"tokenURL"`
	// +required
	ClientID SecretKey `json:"clientID"`
	// +required
	ClientSecret SecretKey `json:"clientSecret"`
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	Scopes []string `json:"scopes,omitempty"`
}

// SigV4Authorization signs with the keys of a Secret, never as the controller.
type SigV4Authorization struct {
	// Region like eu-central-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Region string `json:"region"`
	// Service is aps (Amazon Managed Prometheus) by default.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Service string `json:"service,omitempty"`
	// +required
	Keys AWSKeys `json:"keys"`
}

// AWSKeys sign requests to AWS.
type AWSKeys struct {
	// +required
	AccessKeyID SecretKey `json:"accessKeyID"`
	// +required
	SecretAccessKey SecretKey `json:"secretAccessKey"`
	// SessionToken belongs to temporary keys.
	// +optional
	SessionToken *SecretKey `json:"sessionToken,omitempty"`
}

// Header of a request.
//
// +kubebuilder:validation:XValidation:rule="has(self.value) != has(self.secretKeyRef)",message="a header is exactly one of value and secretKeyRef"
type Header struct {
	// +required
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]+$`
	Name string `json:"name"`
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value,omitempty"`
	// +optional
	SecretKeyRef *SecretKey `json:"secretKeyRef,omitempty"`
}

// ConnectionTLS is for servers whose certificate isn't one of a public authority, or that want to see one.
//
// +kubebuilder:validation:XValidation:rule="has(self.certificate) == has(self.key)",message="certificate and key belong together"
type ConnectionTLS struct {
	// CA certificates in PEM that the server's must come from.
	// +optional
	CA *SecretKey `json:"ca,omitempty"`
	// Certificate of the client in PEM.
	// +optional
	Certificate *SecretKey `json:"certificate,omitempty"`
	// Key of the client's certificate in PEM.
	// +optional
	Key *SecretKey `json:"key,omitempty"`
	// ServerName is expected in the server's certificate instead of the host.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServerName string `json:"serverName,omitempty"`
	// InsecureSkipVerify accepts any certificate, so that whoever is on the way can give answers.
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// SecretKey is one value in a Secret of the Rollout's namespace.
type SecretKey struct {
	// Name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Key within the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`

	// Argument is NAME where {{args.NAME}} stands instead of the two, an argument that comes from a Secret. That can be only in a
	// provider, whose fields the schema leaves open.
	Argument string `json:"-"`
}
