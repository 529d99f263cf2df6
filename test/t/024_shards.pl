# Tables on two shards: what is computed there, what here, and that both say the same (docs/scaling.md).
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

use constant ROWS => 60;

my $path = quote_path(golden('sentence/mean'));
my %shards = map { $_ => start_node($_) } qw(shard_1 shard_2);
my $head = start_node('head');

# On a shard the rows, and a view with what the model makes of them.
$_->safe_psql('postgres', qq{
	SELECT tfm_load_model('mini', $path);
	CREATE TABLE docs (id bigint PRIMARY KEY, body text NOT NULL);
	CREATE VIEW docs_embedded AS SELECT id, body, tfm_embed('mini', body) AS embedding FROM docs;
	CREATE TABLE stored (id bigint PRIMARY KEY, body text,
		embedding tfm_vector(16) GENERATED ALWAYS AS (tfm_embed('mini', body)) STORED);
}) for values %shards;

# At the head their parents.  Rows go in through docs; docs_embedded is only read.
$head->safe_psql('postgres', qq{
	SELECT tfm_load_model('mini', $path);
	CREATE EXTENSION postgres_fdw;
	CREATE TABLE docs (id bigint NOT NULL, body text NOT NULL) PARTITION BY HASH (id);
	CREATE TABLE docs_embedded (id bigint, body text, embedding tfm_vector) PARTITION BY HASH (id)});
for my $name (sort keys %shards)
{
	my ($host, $port, $remainder) = ($shards{$name}->host, $shards{$name}->port, $name =~ /(\d)/ ? $1 - 1 : 0);

	$head->safe_psql('postgres', qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER postgres_fdw
			OPTIONS (host '$host', port '$port', dbname 'postgres', extensions 'tfm', async_capable 'true', fetch_size '1000');
		CREATE USER MAPPING FOR CURRENT_USER SERVER $name;
		CREATE SCHEMA $name;
		IMPORT FOREIGN SCHEMA public LIMIT TO (docs, docs_embedded, tfm_models) FROM SERVER $name INTO $name;
		CREATE FOREIGN TABLE $name.stored (id bigint, body text, embedding tfm_vector(16)) SERVER $name
			OPTIONS (schema_name 'public', table_name 'stored');
		ALTER TABLE docs ATTACH PARTITION $name.docs FOR VALUES WITH (MODULUS 2, REMAINDER $remainder);
		ALTER TABLE docs_embedded ATTACH PARTITION $name.docs_embedded FOR VALUES WITH (MODULUS 2, REMAINDER $remainder)});
}
$head->safe_psql('postgres', qq{
	CREATE TABLE here AS SELECT i::bigint AS id, 'the cat number ' || i AS body FROM generate_series(1, @{[ROWS]}) AS i;
	INSERT INTO docs SELECT * FROM here});
cmp_ok($_->safe_psql('postgres', 'SELECT count(*) FROM docs'), '>', 0, $_->name . ' has rows') for values %shards;

# A plan, and what of it is sent to the shards, with numbers of vectors left out.
sub plan_of
{
	my ($sql) = @_;
	my $plan = $head->safe_psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) $sql");

	$plan =~ s/'\[[^]]*\]'/'[...]'/g;
	return $plan;
}

sub remote_of
{
	my ($plan) = @_;
	return $plan =~ /Remote SQL: (.*)/g;
}

sub local_part
{
	my ($plan) = @_;
	return $plan =~ s/Remote SQL: .*//gr;
}

# A query: what both shards are sent, how the plan begins there, and the same query on a local table.
sub check_query
{
	my ($name, $sql, $remote, $node) = @_;
	my $plan = plan_of($sql);
	my @remote = remote_of($plan);

	is(scalar @remote, 2, "$name: both shards are asked");
	like($_, $remote, "$name: what is sent") for @remote;
	my $nodes = () = $plan =~ /-> +$node on /g;
	is($nodes, 2, "$name: $node") or diag($plan);
	is(sorted($head->safe_psql('postgres', $sql)), sorted(local_result($sql)), "$name: the same as here");
	return $plan;
}

# Rows of shards come as they come.
sub sorted
{
	return join "\n", sort split /\n/, $_[0];
}

# The result of the same query where all rows are in one table.
sub local_result
{
	my ($sql) = @_;

	$sql =~ s/\bdocs_embedded\b/(SELECT id, body, tfm_embed('mini', body) AS embedding FROM here) AS docs_embedded/g;
	$sql =~ s/\bFROM docs AS\b/FROM here AS/g;
	$sql =~ s/\bFROM docs\b/FROM here AS docs/g;
	return $head->safe_psql('postgres', $sql);
}

my $call = qr/public\.tfm_embed\('mini'::text, body, .*?\)/;
my $far = q{<=> tfm_embed('mini', 'the cat number 7')};

# A condition goes to the shards, with the constant's embedding computed here.
check_query('a condition', "SELECT id FROM docs WHERE tfm_embed('mini', body) $far < 0.05",
	qr/^SELECT id FROM public\.docs WHERE .*$call OPERATOR\(public\.<=>\) '\[\.\.\.\]'.*< 0\.05/, 'Async Foreign Scan');

# A constant that is not computed here asks for no model here.
check_query('a similarity', "SELECT count(*) FROM docs WHERE tfm_similarity('mini', body, 'a dog') > 0.5",
	qr/WHERE \(\(public\.tfm_similarity\('mini'::text, body, 'a dog'::text\) > 0\.5/, 'Async Foreign Scan');

# An order goes there as well, but its expression is computed here once more; an output column only here.
my $plan = check_query('an order', "SELECT id FROM docs ORDER BY tfm_embed('mini', body) $far, id LIMIT 5",
	qr/^SELECT id, body FROM public\.docs ORDER BY \($call OPERATOR\(public\.<=>\)/, 'Foreign Scan');
like(local_part($plan), qr/Output: .*tfm_embed/, 'an order: its expression is computed here too');
$plan = check_query('an output column', "SELECT id, tfm_embed('mini', body) FROM docs",
	qr/^SELECT id, body FROM public\.docs$/, 'Async Foreign Scan');
like(local_part($plan), qr/Output: .*tfm_embed/, 'an output column: it is computed here');

# What stays here is right in whatever form it is asked for.
my $default = "SET tfm.embed_model = 'mini'; ";
for my $case (
	[ 'a condition that stays here', "SELECT id FROM docs WHERE tfm_embed(body) $far < 0.05" ],
	[ 'a condition and an output column', "SELECT id, tfm_embed('mini', body) FROM docs WHERE tfm_embed(body) $far < 0.05" ],
	[ 'an aggregate that stays here', 'SELECT count(tfm_embed(body)) FROM docs' ],
	[ 'a subquery', "SELECT id, e FROM (SELECT id, tfm_embed('mini', body) AS e FROM docs OFFSET 0) AS s WHERE id < 20" ],
	[ 'a limit', 'SELECT count(e) FROM (SELECT tfm_embed(body) AS e FROM docs LIMIT 7) AS s' ],
	[ 'a join', 'SELECT a.id, tfm_embed(b.body) FROM docs AS a JOIN here AS b USING (id) WHERE tfm_embed(a.body) = tfm_embed(b.body)' ],
	[ 'a correlated subquery', 'SELECT id FROM docs WHERE EXISTS (SELECT FROM here AS h WHERE h.id = docs.id AND tfm_embed(h.body) = tfm_embed(docs.body))' ])
{
	my ($name, $sql) = @$case;

	is(sorted($head->safe_psql('postgres', $default . $sql)), sorted(local_result($default . $sql)), "$name: the same as here");
}
my $union = join ' UNION ALL ', map { "SELECT id, tfm_embed('mini', body) FROM $_.docs" } sort keys %shards;
is(sorted($head->safe_psql('postgres', $union)), sorted(local_result("SELECT id, tfm_embed('mini', body) FROM docs")),
	'a union: the same as here');

# Over the view the shards compute that as well, and only where it is asked for.
$plan = check_query('a column of the view', 'SELECT id, embedding FROM docs_embedded',
	qr/^SELECT id, embedding FROM public\.docs_embedded$/, 'Async Foreign Scan');
unlike($plan, qr/tfm_embed/, 'a column of the view: nothing is computed here');
check_query('no column of the view', 'SELECT id, body FROM docs_embedded',
	qr/^SELECT id, body FROM public\.docs_embedded$/, 'Async Foreign Scan');
check_query('a condition on the view', "SELECT id FROM docs_embedded WHERE embedding $far < 0.05",
	qr/^SELECT id FROM public\.docs_embedded WHERE .*embedding OPERATOR\(public\.<=>\)/, 'Async Foreign Scan');
check_query('an aggregate over the view', 'SELECT avg(embedding), count(*) FROM docs_embedded',
	qr/^SELECT embedding FROM public\.docs_embedded$/, 'Async Foreign Scan');

# The nearest of each shard, found side by side, then the nearest of all.
my $nearest = join ' UNION ALL ', map {
	"(SELECT id, body, embedding $far AS distance FROM $_.docs_embedded ORDER BY distance, id LIMIT 3)"
} sort keys %shards;
my $all = "SELECT id, distance FROM ($nearest OFFSET 0) AS s ORDER BY distance, id LIMIT 3";
$plan = plan_of($all);
like($_, qr/ORDER BY .* LIMIT 3/, 'the nearest: order and limit are sent') for remote_of($plan);
my $async = () = $plan =~ /Async Foreign Scan/g;
is($async, 2, 'the nearest: side by side') or diag($plan);
is($head->safe_psql('postgres', $all),
	local_result("SELECT id, embedding $far AS distance FROM docs_embedded ORDER BY distance, id LIMIT 3"),
	'the nearest: the same as here');

# Aggregates: of one shard whole, of all of them only if groups do not cross shards.
for my $aggregate ("avg(tfm_embed('mini', body))", "tfm_embed_agg('mini', body)")
{
	my ($sent) = remote_of(plan_of("SELECT $aggregate FROM shard_1.docs"));

	like($sent, qr/^SELECT public\.(avg|tfm_embed_agg)\(/, "$aggregate of a shard is sent");
	is($head->safe_psql('postgres', "SELECT $aggregate FROM shard_1.docs"),
		$shards{shard_1}->safe_psql('postgres', "SELECT $aggregate FROM docs"), 'the same as there');
}
my $grouped = 'SELECT sum(c) FROM (SELECT count(embedding) AS c FROM docs_embedded GROUP BY id) AS s';
like($_, qr/^SELECT count\(embedding\).* GROUP BY/, 'groups within shards: the aggregate is sent')
  for remote_of($head->safe_psql('postgres', "SET enable_partitionwise_aggregate = on; EXPLAIN (VERBOSE, COSTS OFF) $grouped"));
is($head->safe_psql('postgres', "SET enable_partitionwise_aggregate = on; $grouped"), ROWS, 'and counts all');

# An embedding comes over with every bit; what a shard has stored is not computed again.
$shards{shard_1}->safe_psql('postgres', 'INSERT INTO stored (id, body) SELECT * FROM docs');
is($head->safe_psql('postgres', q{
		SELECT count(*) FILTER (WHERE tfm_vector_send(s.embedding) = tfm_vector_send(tfm_embed('mini', s.body))) = count(*)
		FROM shard_1.stored AS s}), 't', 'the bits of an embedding are the same here');

# Models are pinned on each shard: one that differs is seen.
my $drift = q{
	SELECT name FROM (SELECT name, content, dtype, compute FROM tfm_models
		UNION ALL SELECT name, content, dtype, compute FROM shard_1.tfm_models
		UNION ALL SELECT name, content, dtype, compute FROM shard_2.tfm_models) AS m
	GROUP BY name HAVING count(*) < 3 OR count(DISTINCT (content, dtype, compute)) > 1};
is($head->safe_psql('postgres', $drift), '', 'the same model everywhere');
my $other = copy_checkpoint('sentence/mean');
change_weights($other);
$shards{shard_2}->safe_psql('postgres',
	"SELECT tfm_load_model('mini', " . quote_path($other) . ', replace => true)');
is($head->safe_psql('postgres', $drift), 'mini', 'another content is seen');
$shards{shard_2}->safe_psql('postgres', q{SELECT tfm_drop_model('mini')});
is($head->safe_psql('postgres', $drift), 'mini', 'a model that is missing is seen');
my ($sqlstate, $message) = sql_error($head, 'SELECT count(embedding) FROM docs_embedded');
is($sqlstate, '42704', 'a shard without the model: the query fails');
like($message, qr/model "mini" does not exist/, 'and says so');

# The head needs no model of its own but for constants.
$shards{shard_2}->safe_psql('postgres', "SELECT tfm_load_model('mini', $path)");
$head->safe_psql('postgres', q{SELECT tfm_drop_model('mini')});
is($head->safe_psql('postgres', 'SELECT count(embedding) FROM docs_embedded'), ROWS, 'the head needs no model');
is($head->safe_psql('postgres', q{SELECT count(*) FROM docs WHERE tfm_similarity('mini', body, 'a dog') > -2}),
	ROWS, 'nor for constants within a function that is sent');
($sqlstate) = sql_error($head, "SELECT count(*) FROM docs_embedded WHERE embedding $far < 0.05");
is($sqlstate, '42704', 'but for constants that are embedded here');

$_->stop for $head, values %shards;
done_testing();
