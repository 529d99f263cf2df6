# Models go through pg_dump, with their privileges and what depends on them.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $from = start_node('dump_from');
my $path = quote_path(golden('sentence/mean'));
my $file = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';

$from->safe_psql('postgres', qq{
	CREATE ROLE keeper;
	CREATE ROLE reader;
	SELECT tfm_load_model('m', $path);
	COMMENT ON SERVER m IS 'a tiny one';
	GRANT USAGE ON FOREIGN DATA WRAPPER tfm TO keeper;
	ALTER SERVER m OWNER TO keeper;
	GRANT USAGE ON FOREIGN SERVER m TO reader;
	CREATE TABLE docs (body text, tokens integer[] GENERATED ALWAYS AS (tfm_tokenize('m', body)) STORED);
	INSERT INTO docs VALUES ('The cat sat.'), ('hello');
	CREATE INDEX ON docs (tfm_count_tokens('m', body));
	CREATE VIEW counted AS SELECT body, tfm_count_tokens('m', body) FROM docs});

my $models = q{SELECT name, path, content, owner, comment,
	has_server_privilege('reader', name::text, 'USAGE') FROM tfm_models};
my $docs = 'SELECT docs, counted FROM docs JOIN counted USING (body) ORDER BY body';

$from->command_ok([ 'pg_dump', '-d', $from->connstr('postgres'), '-f', $file ], 'dump');

# Another server that has compiled nothing yet.
my $to = PostgreSQL::Test::Cluster->new('dump_to');
$to->init;
$to->start;
$to->safe_psql('postgres', 'CREATE ROLE keeper; CREATE ROLE reader');
$to->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $to->connstr('postgres'), '-f', $file ],
	'restore');
is($to->safe_psql('postgres', $models), $from->safe_psql('postgres', $models), 'the same model');
is($to->safe_psql('postgres', $docs), $from->safe_psql('postgres', $docs), 'the same values');
is($to->safe_psql('postgres', 'SELECT count(*) FROM tfm_models WHERE state = $$ready$$'), '1',
	'compiled where it was needed');

# A dump is restored where the checkpoint is not, and says so when the model is used.
my $missing = PostgreSQL::Test::Utils::tempdir() . '/missing.sql';
my $dump = slurp_file($file);
$dump =~ s/path '[^']*'/path '\/nonexistent'/;
$dump =~ s/^COPY .*?^\\\.$//msg;
$dump =~ s/^CREATE INDEX[^;]*;$//msg;
append_to_file($missing, $dump);
$to->safe_psql('postgres', 'CREATE DATABASE missing');
unlink images($to);
$to->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $to->connstr('missing'), '-f', $missing ],
	'restore without the checkpoint');
is($to->safe_psql('missing', 'SELECT state FROM tfm_models'), 'not compiled', 'the view tells it');
my ($sqlstate) = sql_error($to, q{SELECT tfm_tokenize('m', 'x')}, database => 'missing');
is($sqlstate, '58P01', 'using it is an error');

$_->stop for $from, $to;
done_testing();
