# Logical replication: embeddings travel as data, or are computed on the subscriber (docs/scaling.md).
# What standbys do is in 006_standby.pl.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $path = quote_path(golden('sentence/mean'));
my $publisher = start_node('publisher', allows_streaming => 'logical');
my $subscriber = start_node('subscriber', conf => "wal_retrieve_retry_interval = 100ms\n");
my $from = $publisher->connstr('postgres') =~ s{'}{''}gr;

# On the publisher a trigger keeps the embedding; the subscriber has no model.
$publisher->safe_psql('postgres', qq{
	SELECT tfm_load_model('mini', $path);
	CREATE TABLE docs (id int PRIMARY KEY, body text, embedding tfm_vector(16));
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON docs
		FOR EACH ROW EXECUTE FUNCTION tfm_embed_trigger('body', 'embedding', 'mini');
	CREATE TABLE texts (id int PRIMARY KEY, body text);
	INSERT INTO docs (id, body) SELECT i, 'text number ' || i FROM generate_series(1, 20) AS i;
	INSERT INTO texts SELECT id, body FROM docs;
	CREATE PUBLICATION docs FOR TABLE docs;
	CREATE PUBLICATION texts FOR TABLE texts});
$subscriber->safe_psql('postgres', qq{
	CREATE TABLE docs (id int PRIMARY KEY, body text, embedding tfm_vector(16));
	CREATE SUBSCRIPTION docs CONNECTION '$from' PUBLICATION docs WITH (binary = true)});
$subscriber->wait_for_subscription_sync($publisher, 'docs');

my $sum = q{SELECT count(embedding), md5(string_agg(id || body || embedding::text, ',' ORDER BY id)) FROM docs};

is($subscriber->safe_psql('postgres', $sum), $publisher->safe_psql('postgres', $sum), 'the first copy');
$publisher->safe_psql('postgres', q{
	INSERT INTO docs VALUES (21, 'a new text');
	UPDATE docs SET body = 'a changed text' WHERE id = 1;
	DELETE FROM docs WHERE id = 2});
$publisher->wait_for_catchup('docs');
is($subscriber->safe_psql('postgres', $sum), $publisher->safe_psql('postgres', $sum), 'what follows it');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM tfm_models'), 0, 'the subscriber has no model');
my $nearest = 'SELECT id FROM docs ORDER BY embedding <=> (SELECT embedding FROM docs WHERE id = 1), id LIMIT 5';
is($subscriber->safe_psql('postgres', $nearest), $publisher->safe_psql('postgres', $nearest), 'and searches without');

# Texts alone travel; the subscriber's generated column is computed there, and its triggers run if
# they are to run always.
$subscriber->safe_psql('postgres', qq{
	SELECT tfm_load_model('mini', $path);
	CREATE TABLE texts (id int PRIMARY KEY, body text, kept tfm_vector(16),
		embedding tfm_vector(16) GENERATED ALWAYS AS (tfm_embed('mini', body)) STORED);
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON texts
		FOR EACH ROW EXECUTE FUNCTION tfm_embed_trigger('body', 'kept', 'mini');
	ALTER TABLE texts ENABLE ALWAYS TRIGGER embed;
	CREATE SUBSCRIPTION texts CONNECTION '$from' PUBLICATION texts});
$subscriber->wait_for_subscription_sync($publisher, 'texts');
$publisher->safe_psql('postgres', q{
	INSERT INTO texts VALUES (21, 'a new text');
	UPDATE texts SET body = 'a changed text' WHERE id = 1});
$publisher->wait_for_catchup('texts');
is( $subscriber->safe_psql('postgres', q{
		SELECT count(*), count(*) FILTER (WHERE embedding = e), count(*) FILTER (WHERE kept = e)
		FROM texts, tfm_embed('mini', body) AS e}),
	'21|21|21', 'computed on the subscriber');

# Where the subscriber has lost its model it stops, and goes on once the model is there.
my $offset = -s $subscriber->logfile;
$subscriber->safe_psql('postgres', q{SELECT tfm_drop_model('mini')});
$publisher->safe_psql('postgres', q{INSERT INTO texts VALUES (22, 'another text')});
ok( wait_for(sub { slurp_file($subscriber->logfile, $offset) =~ /ERROR: .*model "mini" does not exist/ }),
	'a subscriber without its model says so');
is($subscriber->safe_psql('postgres', 'SELECT max(id) FROM texts'), 21, 'and waits');
$subscriber->safe_psql('postgres', "SELECT tfm_load_model('mini', $path)");
$publisher->wait_for_catchup('texts');
is($subscriber->safe_psql('postgres', q{SELECT embedding = tfm_embed('mini', body) FROM texts WHERE id = 22}),
	't', 'it catches up once the model is back');

$_->stop for $subscriber, $publisher;
done_testing();
