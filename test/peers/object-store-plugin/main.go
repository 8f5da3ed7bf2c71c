// An object-store plugin for the Velero servers of the tests: a bucket of an S3 server at the URL that the backup
// storage location names, always in path style, under the name that the location's provider "aws" asks for.
package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework"
)

func main() {
	framework.NewServer().
		BindFlags(pflag.CommandLine).
		RegisterObjectStore("velero.io/aws", func(logrus.FieldLogger) (any, error) { return &objectStore{}, nil }).
		Serve()
}

// objectStore implements velero.ObjectStore. Each call of the interface comes without a deadline of its own.
type objectStore struct {
	client *minio.Client
}

// Init takes the location's `config` with what the server adds to it: `bucket`, `prefix` and, for the location's own
// credentials, `credentialsFile`.
func (s *objectStore) Init(config map[string]string) error {
	endpoint, err := url.Parse(config["s3Url"])
	if err != nil {
		return err
	}
	if endpoint.Host == "" {
		return errors.New("config.s3Url names no server")
	}
	profile := config["profile"]
	if profile == "" {
		profile = "default"
	}
	s.client, err = minio.New(endpoint.Host, &minio.Options{
		Creds:        credentials.NewFileAWSCredentials(config["credentialsFile"], profile),
		Secure:       endpoint.Scheme == "https",
		Region:       config["region"],
		BucketLookup: minio.BucketLookupPath,
	})
	return err
}

func (s *objectStore) PutObject(bucket, key string, body io.Reader) error {
	content, err := io.ReadAll(body) // Of a length that is known: metadata is small.
	if err != nil {
		return err
	}
	ctx, cancel := deadline()
	defer cancel()
	_, err = s.client.PutObject(ctx, bucket, key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{})
	return err
}

func (s *objectStore) ObjectExists(bucket, key string) (bool, error) {
	ctx, cancel := deadline()
	defer cancel()
	_, err := s.client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

func (s *objectStore) GetObject(bucket, key string) (io.ReadCloser, error) {
	ctx, cancel := deadline()
	defer cancel()
	object, err := s.client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer object.Close()
	content, err := io.ReadAll(object)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (s *objectStore) ListCommonPrefixes(bucket, prefix, delimiter string) ([]string, error) {
	if delimiter != "/" {
		return nil, errors.New("the only delimiter is a slash")
	}
	return s.list(bucket, prefix, false, func(key string) bool { return strings.HasSuffix(key, delimiter) })
}

func (s *objectStore) ListObjects(bucket, prefix string) ([]string, error) {
	return s.list(bucket, prefix, true, func(string) bool { return true })
}

func (s *objectStore) list(bucket, prefix string, recursive bool, wanted func(string) bool) ([]string, error) {
	ctx, cancel := deadline()
	defer cancel()
	var keys []string
	for object := range s.client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: recursive}) {
		if object.Err != nil {
			return nil, object.Err
		}
		if wanted(object.Key) {
			keys = append(keys, object.Key)
		}
	}
	return keys, nil
}

func (s *objectStore) DeleteObject(bucket, key string) error {
	ctx, cancel := deadline()
	defer cancel()
	return s.client.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
}

func (s *objectStore) CreateSignedURL(bucket, key string, ttl time.Duration) (string, error) {
	ctx, cancel := deadline()
	defer cancel()
	signed, err := s.client.PresignedGetObject(ctx, bucket, key, ttl, nil)
	if err != nil {
		return "", err
	}
	return signed.String(), nil
}

func deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}
