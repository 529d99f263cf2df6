# Who may do what: every function with every kind of name, and all that is done to models, by roles
# with and without privileges.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $root = PostgreSQL::Test::Utils::tempdir();
copy_checkpoint('sentence/mean', "$root/org/name");
my $node = start_node('roles', conf => "tfm.model_path = '$root'\n");
my $path = quote_path(golden('sentence/mean'));
my $generator = quote_path(golden('generation/llama'));

# owner may read files; heir owns a model and may not; the others own nothing.
my @roles = qw(boss owner heir user granter member files maker stranger former);
$node->safe_psql('postgres', qq{
	CREATE ROLE boss SUPERUSER;
	CREATE ROLE owner IN ROLE pg_read_server_files;
	CREATE ROLE heir; CREATE ROLE "user"; CREATE ROLE granter; CREATE ROLE member IN ROLE "user";
	CREATE ROLE files IN ROLE pg_read_server_files; CREATE ROLE maker; CREATE ROLE stranger; CREATE ROLE former;
	GRANT ALL ON SCHEMA public TO PUBLIC;
	GRANT USAGE ON FOREIGN DATA WRAPPER tfm TO owner, heir, maker;
	SET SESSION AUTHORIZATION owner;
	SELECT tfm_load_model('m', $path), tfm_load_model('public_m', $path), tfm_load_model('inherited', $path),
		tfm_load_model('private', $generator), tfm_load_model('gen', $generator);
	GRANT USAGE ON FOREIGN SERVER m TO "user", heir, former;
	GRANT USAGE ON FOREIGN SERVER m TO granter WITH GRANT OPTION;
	GRANT USAGE ON FOREIGN SERVER public_m, gen TO PUBLIC;
	REVOKE USAGE ON FOREIGN SERVER m FROM former;
	SELECT tfm_import_model('stored', $path);
	GRANT USAGE ON FOREIGN SERVER stored TO "user";
	CREATE TABLE texts (id int PRIMARY KEY, body text, embedding tfm_vector, other tfm_vector);
	INSERT INTO texts SELECT i, 'text ' || i FROM generate_series(1, 1000) i; GRANT ALL ON texts TO PUBLIC;
	SELECT tfm_create_embedding_job('texts', 'body', 'other', 'public_m', job => 'j');
	RESET SESSION AUTHORIZATION;
	ALTER SERVER inherited OWNER TO heir});

# Statements as roles, each in a transaction that is rolled back: what each ends in, '' or an SQLSTATE.
# A statement is an array of role, SQL and, if asked for, a command before it that a superuser gives.
sub outcomes
{
	my ($become, @statements) = @_;
	my ($script, $number) = ("\\set VERBOSITY sqlstate\n", 0);
	my ($stdout, $stderr);

	for my $statement (@statements)
	{
		my ($role, $sql, $before) = @$statement;

		$before //= '';
		$script .= "BEGIN; $before; $become \"$role\";\n$sql;\n\\echo outcome :SQLSTATE\nROLLBACK; RESET SESSION AUTHORIZATION;\n";
	}
	$node->psql('postgres', $script, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
	return map { $_ eq '00000' ? '' : $_ } $stdout =~ /^outcome (\w{5})$/mg;
}

# ---------------------------------------------------------------------------
# Functions.  What takes a model is found in the catalog, so that none is forgotten.
# ---------------------------------------------------------------------------

# Values for arguments, by the argument's name or its type.
my %values = (
	'inputs jsonb' => q{'{"input_ids": [[2, 3]]}'::jsonb},
	'prompts jsonb' => q{'[[2, 3]]'::jsonb},
	'messages jsonb' => q{'[{"role": "user", "content": "hi"}]'::jsonb},
	'json_schema jsonb' => q{'{"type": "string"}'::jsonb},
	json => q{'{"a": ["b"]}'::json},
	jsonb => q{'{}'::jsonb},
	text => q{'hello'},
	'text[]' => q{ARRAY['hello', 'cat']},
	integer => '8',
	bigint => '8',
	'integer[]' => 'ARRAY[2, 3]',
	'double precision' => '1',
	boolean => 'true');

# Calls of all functions and aggregates with an argument for a model, which is MODEL here.
sub calls
{
	my @calls;

	for my $line (split /\n/, $node->safe_psql('postgres', q{
		SELECT p.proname, p.prokind, p.proretset, (SELECT string_agg(coalesce(a.name, '') || ' ' || format_type(a.type, NULL), ',' ORDER BY a.n)
			FROM unnest(coalesce(p.proargnames, ARRAY[]::text[])::text[], p.proargtypes::oid[]) WITH ORDINALITY AS a (name, type, n)
			WHERE a.n <= p.pronargs - p.pronargdefaults)
		FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
		WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'tfm')
			AND p.proargnames[1] = 'model' AND p.provolatile <> 'v'
		ORDER BY 1, 4}))
	{
		my ($name, $kind, $set, $arguments) = split /\|/, $line;
		my (undef, @rest) = split /,/, $arguments;
		my $list = join ', ', 'MODEL', map { $values{$_} // $values{s/^\S* //r} // die "no value for $_ of $name\n" } @rest;

		push @calls, $set eq 't' ? "SELECT count(*) FROM $name($list)" : "SELECT $name($list)";
	}
	return @calls;
}

my @calls = calls();
cmp_ok(scalar @calls, '>', 15, scalar(@calls) . ' functions take a model');

# May a role use a model by this name?
my %names = (
	q{'m'} => [qw(boss owner heir user granter member)],
	q{'public_m'} => \@roles,
	q{'private'} => [qw(boss owner)],
	q{'inherited'} => [qw(boss heir)],
	$path => [qw(boss owner files)],
	q{'/nonexistent'} => [qw(boss owner files)],
	q{'org/name'} => \@roles);

for my $name (sort keys %names)
{
	my %may = map { $_ => 1 } @{ $names{$name} };
	my @statements = map { my $call = $_ =~ s/MODEL/$name/r; map { [ $_, $call ] } @roles } @calls;
	my @wrong;

	for my $become ('SET ROLE', 'SET SESSION AUTHORIZATION')
	{
		my @got = outcomes($become, @statements);

		is(scalar @got, scalar @statements, "all calls with $name, $become") or next;
		for my $i (0 .. $#statements)
		{
			my ($role, $call) = @{ $statements[$i] };
			push @wrong, "$role: $call: $got[$i]" unless $may{$role} xor $got[$i] eq '42501';
		}
	}
	is(join("\n", @wrong), '', "who may use $name");
}

# Functions without a model take the setting's, with its privileges.
my @defaults = ("tfm_embed('x')", "tfm_embed(ARRAY['x'])", "tfm_similarity('x', 'y')", "tfm_tokenize('x')", "tfm_count_tokens('x')",
	"tfm_tokens('x')", "tfm_chunk('x', 8)", "tfm_embed_agg('x')", "tfm_generate('x')", "tfm_generate(ARRAY['x'])", "tfm_summarize('x')", "tfm_summarize_agg('x')");
my $settings = q{SET LOCAL tfm.embed_model = 'private'; SET LOCAL tfm.generate_model = 'private'};
is(join(' ', outcomes('SET ROLE', map { [ 'stranger', "SELECT $_", $settings ] } @defaults)), join(' ', ('42501') x @defaults),
	'the model of a setting needs the same');
# So does a second model.
is(join(' ', outcomes('SET ROLE', map { my $model = $_; map { [ $_, "SELECT tfm_generate_ids('gen', '[[2, 3]]', assistant_model => $model)" ] } qw(owner stranger) }
		q{'gen'}, q{'private'}, $generator)), '   42501  42501', 'an assisting model needs its own');

# ---------------------------------------------------------------------------
# What is done to models.  Who may; of all others the outcome is 42501, unless another is given.
# ---------------------------------------------------------------------------

my @owners = qw(boss owner);
my @actions = (
	[ "SELECT tfm_load_model('new', $path)", \@owners ],
	[ "CREATE SERVER new FOREIGN DATA WRAPPER tfm OPTIONS (path $path)", \@owners ],
	[ q{CREATE SERVER new FOREIGN DATA WRAPPER tfm OPTIONS (path 'org/name')}, \@owners ],
	[ q{CREATE SERVER new FOREIGN DATA WRAPPER tfm OPTIONS (path '/nonexistent', content '} . ('0' x 64) . q{')}, \@owners ],
	[ "SELECT tfm_load_model('m', $path, dtype => 'f32', replace => true)", \@owners ],
	[ "SELECT tfm_load_model('inherited', $path, replace => true)", ['boss'] ],
	[ q{SELECT tfm_refresh_model('m')}, \@owners ],
	[ q{SELECT tfm_refresh_model('inherited')}, ['boss'] ],
	[ q{ALTER SERVER m OPTIONS (ADD dtype 'f32')}, \@owners ],
	[ q{ALTER SERVER inherited OPTIONS (ADD dtype 'f32')}, ['boss'] ],
	[ q{ALTER SERVER inherited OPTIONS (SET path '/etc')}, ['boss'] ],
	[ q{ALTER SERVER inherited RENAME TO renamed}, [qw(boss heir)] ],
	[ q{ALTER SERVER m RENAME TO renamed}, \@owners ],
	[ q{ALTER SERVER m OWNER TO stranger}, ['boss'] ],
	[ q{COMMENT ON SERVER inherited IS 'x'}, [qw(boss heir)] ],
	[ q{GRANT USAGE ON FOREIGN SERVER inherited TO stranger}, [qw(boss heir)] ],
	[ q{DROP SERVER inherited}, [qw(boss heir)] ],
	[ q{SELECT tfm_drop_model('inherited')}, [qw(boss heir)] ],
	[ q{SELECT tfm_drop_model('m')}, \@owners ],
	[ q{SELECT tfm_prune_images()}, ['boss'] ],
	[ q{SELECT tfm_stat_reset()}, ['boss'] ],
	[ "SELECT tfm_import_model('new', $path)", \@owners ],
	[ "SELECT tfm_import_model('m', $path, replace => true)", \@owners ],
	[ "SELECT tfm_import_model('inherited', $path, replace => true)", ['boss'] ],
	# The hash of another's model is no secret, and no key to it.
	[ q{CREATE SERVER new FOREIGN DATA WRAPPER tfm OPTIONS (stored 'true', content '} . ('0' x 64) . q{')}, \@owners ],
	[ q{SELECT tfm_export_model('stored', '/nonexistent/x')}, [], boss => '58P01' ],
	[ q{SELECT * FROM tfm_model_files('stored')}, [qw(boss owner user member)] ],
	[ q{SELECT tfm_model_file('stored', 'config.json')}, \@owners ],
	[ q{SELECT * FROM tfm_stored_files}, ['boss'] ],
	[ q{SELECT * FROM tfm_stored_chunks}, ['boss'] ],
	[ q{SELECT * FROM tfm_job, tfm_job_queue, tfm_job_made, tfm_job_progress}, ['boss'] ],
	[ q{INSERT INTO tfm_job_queue (job, key) VALUES (1, '{}')}, ['boss'] ],
	[ q{SELECT nextval('tfm_job_ids')}, ['boss'] ],
	[ q{SELECT tfm_create_embedding_job('texts', 'body', 'embedding', 'public_m')}, \@owners ],
	[ q{SELECT tfm_drop_embedding_job('j')}, \@owners ],
	[ q{SELECT count(*) FROM tfm_stat_jobs, tfm_job_errors, tfm_stat_models, tfm_stat_activity, tfm_stat_workers, tfm_info()}, \@roles ],
	[ q{SELECT tfm_model_info(oid) FROM pg_foreign_server}, \@roles ],
	[ q{SELECT * FROM tfm_models}, \@roles ],
	[ q{SET tfm.model_path = '/'}, ['boss'] ],
	[ q{SET tfm.max_memory = 0}, ['boss'] ],
	[ q{SET tfm.cpu_isa = 'portable'}, ['boss'] ],
	[ q{ALTER ROLE stranger SET tfm.model_path = '/'}, ['boss'] ],
	[ q{SET tfm.embed_model = '/etc/passwd'; SET tfm.generate_model = 'm'; SET tfm.threads = 3; SET tfm.prefix_cache = 0; SET tfm.cache_type = 'f32'}, \@roles ],
	[ q{ALTER EVENT TRIGGER tfm_pin DISABLE}, ['boss'] ],
	[ q{ALTER FUNCTION tfm_embed(text) COST 1}, ['boss'] ],
	[ q{ALTER EXTENSION tfm SET SCHEMA pg_temp}, [], boss => '0A000' ],
	[ q{CREATE FOREIGN DATA WRAPPER mine VALIDATOR tfm_fdw_validator}, ['boss'] ],
	[ q{CREATE USER MAPPING FOR CURRENT_USER SERVER m}, \@roles, map { $_ => '42501' } qw(files maker stranger former) ],
	[ q{DROP EXTENSION tfm CASCADE}, ['boss'] ]);

my (@statements, @expected);
for my $action (@actions)
{
	my ($sql, $may, %other) = @$action;
	my %may = map { $_ => 1 } @$may;

	for my $role (@roles)
	{
		push @statements, [ $role, $sql ];
		push @expected, "$role: $sql: " . ($other{$role} // ($may{$role} ? '' : '42501'));
	}
}
for my $become ('SET ROLE', 'SET SESSION AUTHORIZATION')
{
	my @got = outcomes($become, @statements);
	my @wrong = grep { "$statements[$_][0]: $statements[$_][1]: $got[$_]" ne $expected[$_] } 0 .. $#statements;

	is(join('', map { "$expected[$_], but $got[$_]\n" } @wrong), '', "what is done to models, $become");
}

# What a grant with and without the option gives on.
is(join(' ', outcomes('SET SESSION AUTHORIZATION', map { [ $_, q{GRANT USAGE ON FOREIGN SERVER m TO stranger; SET SESSION AUTHORIZATION stranger; SELECT tfm_tokenize('m', 'x')} ] }
		qw(owner granter user stranger))), '  42501 25P02', 'only the owner and who has the option can grant');
is(join(' ', outcomes('SET ROLE', [ 'stranger', q{SET tfm.max_memory = 0}, 'GRANT SET ON PARAMETER tfm.max_memory TO stranger' ],
		[ 'stranger', q{SELECT tfm_prune_images()}, 'GRANT EXECUTE ON FUNCTION tfm_prune_images TO stranger' ],
		[ 'stranger', q{SELECT tfm_embed('public_m', 'x')}, 'REVOKE EXECUTE ON FUNCTION tfm_embed(text, text, text, boolean, integer, text) FROM PUBLIC' ])),
	'  42501', 'settings and functions can be granted and revoked');
# What each sees.
my %visible = (boss => 6, owner => 5, heir => 4, user => 4, granter => 3, member => 4, files => 2, maker => 2, stranger => 2, former => 2);
is($node->safe_psql('postgres', join ';', map { qq{SET ROLE "$_"; SELECT count(*) FROM tfm_models WHERE state IS NOT NULL; RESET ROLE} } @roles),
	join("\n", @visible{@roles}), 'the view shows what one may use');
is($node->safe_psql('postgres', q{SET ROLE stranger; SELECT count(i.state) FROM pg_foreign_server s, tfm_model_info(s.oid) i WHERE srvname = 'private'}),
	'0', 'nor does what is under it tell more');

# ---------------------------------------------------------------------------
# Whose privileges count
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', q{
	SET ROLE owner;
	CREATE FUNCTION lent(text) RETURNS integer[] LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp RETURN tfm_tokenize('m', $1);
	CREATE FUNCTION invoked(text) RETURNS integer[] LANGUAGE plpgsql AS $$ BEGIN RETURN tfm_tokenize('m', $1); END $$;
	CREATE VIEW through AS SELECT tfm_tokenize('m', body) FROM texts; GRANT SELECT ON through TO PUBLIC;
	CREATE VIEW lending AS SELECT lent(body) FROM texts; GRANT SELECT ON lending TO PUBLIC;
	CREATE MATERIALIZED VIEW kept AS SELECT tfm_tokenize('m', body) FROM texts; GRANT SELECT ON kept TO PUBLIC;
	CREATE TABLE computed (body text, ids integer[] GENERATED ALWAYS AS (tfm_tokenize('m', body)) STORED); GRANT ALL ON computed TO PUBLIC;
	CREATE TABLE indexed (body text); CREATE INDEX ON indexed (tfm_count_tokens('m', body)); GRANT ALL ON indexed TO PUBLIC;
	CREATE TABLE triggered (body text, e tfm_vector); GRANT ALL ON triggered TO PUBLIC;
	CREATE TRIGGER embed BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION tfm_embed_trigger('body', 'e', 'm');
	RESET ROLE; SET ROLE stranger;
	CREATE FUNCTION borrowed(text) RETURNS integer[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN RETURN tfm_tokenize('m', $1); END $$});

my @contexts = (
	# statement, outcome for stranger, outcome for user
	[ q{SELECT lent('x')}, '', '' ],
	[ q{SELECT lent('x'), tfm_tokenize('m', 'x')}, '42501', '' ],
	[ q{SELECT invoked('x')}, '42501', '' ],
	[ q{SELECT borrowed('x')}, '42501', '42501' ],
	[ q{SELECT lent('x'), borrowed('x')}, '42501', '42501' ],
	[ q{SELECT * FROM through}, '42501', '' ],
	[ q{SELECT * FROM lending}, '', '' ],
	[ q{SELECT * FROM kept}, '', '' ],
	[ q{INSERT INTO computed VALUES ('x')}, '42501', '' ],
	[ q{INSERT INTO indexed VALUES ('x')}, '42501', '' ],
	[ q{INSERT INTO triggered VALUES ('x')}, '42501', '' ],
	[ q{CREATE TABLE made AS SELECT tfm_tokenize('m', body) FROM texts}, '42501', '' ],
	[ q{EXPLAIN SELECT tfm_tokenize('m', 'x')}, '42501', '' ],
	[ q{SELECT CASE WHEN false THEN tfm_tokenize('m', body) END FROM texts}, '', '' ]);
is(join(' ', outcomes('SET SESSION AUTHORIZATION', map { [ 'stranger', $_->[0] ] } @contexts)), join(' ', map { $_->[1] } @contexts),
	'whose privileges count: of one who has none');
is(join(' ', outcomes('SET SESSION AUTHORIZATION', map { [ 'user', $_->[0] ] } @contexts)), join(' ', map { $_->[2] } @contexts),
	'of one who has USAGE');

is((sql_error($node, q{SET ROLE stranger; COPY (SELECT tfm_tokenize('m', body) FROM texts) TO STDOUT}))[0], '42501', 'COPY');

# The same in parallel workers, with and without batches of rows.
for my $batching (qw(on off))
{
	my $parallel = "SET LOCAL tfm.batching = $batching";

	is(join(' ', outcomes('SET SESSION AUTHORIZATION', map { [ $_, q{SELECT tfm_embed('m', body) FROM texts}, $parallel ] } qw(user stranger))),
		' 42501', "rows, batching $batching");
}
my $parallel = q{SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
	SET LOCAL max_parallel_workers_per_gather = 2; SET LOCAL parallel_leader_participation = off};
is($node->safe_psql('postgres', qq{BEGIN; $parallel; EXPLAIN (COSTS off) SELECT count(tfm_embed('m', body)) FROM texts}) =~ /Gather/, 1,
	'a parallel plan');
is(join(' ', outcomes('SET SESSION AUTHORIZATION', map { [ $_, q{SELECT count(tfm_embed('m', body)) FROM texts}, $parallel ] } qw(user stranger))),
	' 42501', 'parallel workers have the privileges of their leader');
is(join(' ', outcomes('SET ROLE', map { [ $_, q{SELECT count(tfm_embed('m', body)) FROM texts}, $parallel ] } qw(user stranger))),
	' 42501', 'also after SET ROLE');

# ---------------------------------------------------------------------------
# A privilege that goes while a session has plans and open models
# ---------------------------------------------------------------------------

my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query(q{
	SET SESSION AUTHORIZATION "user";
	PREPARE folded AS SELECT tfm_tokenize('m', 'hello');
	PREPARE generic(text) AS SELECT tfm_tokenize('m', $1);
	PREPARE named(text) AS SELECT tfm_tokenize($1, 'hello');
	PREPARE many AS SELECT min(ids) FROM (SELECT tfm_tokenize('m', 'hello' || left(body, 0)) AS ids FROM texts) AS t;
	SET plan_cache_mode = force_generic_plan});
my @uses = (q{EXECUTE folded}, q{EXECUTE generic('hello')}, q{EXECUTE named('m')}, q{EXECUTE many}, q{SELECT invoked('hello')}, q{SELECT tfm_tokenize('m', 'hello')});
my $read = sub {
	return join ' ', map { my $row = $session->query($_); $row =~ /^\{2,28,3\}$/ ? 'read' : $row eq '' ? 'denied' : $row } @uses;
};
is($read->(), join(' ', ('read') x @uses), 'plans are made') for 1, 2;
$node->safe_psql('postgres', 'REVOKE USAGE ON FOREIGN SERVER m FROM "user"');
is($read->(), join(' ', ('denied') x @uses), 'a revoked privilege ends what was planned with it');
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER m TO "user"');
is($read->(), join(' ', ('read') x @uses), 'and comes back');
$node->safe_psql('postgres', 'REVOKE "user" FROM member; DROP OWNED BY "user"');
is($read->(), join(' ', ('denied') x @uses), 'DROP OWNED revokes too');
$session->quit;
is(join(' ', outcomes('SET ROLE', [ 'member', q{SELECT tfm_tokenize('m', 'x')} ])), '42501', 'so does the end of a membership');

# A worker computes for those who may, and for nobody else.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'tfm'\ntfm.workers = 1\n");
$node->restart;
my $worker = q{SET LOCAL tfm.executor = 'worker'};
is(join(' ', outcomes('SET SESSION AUTHORIZATION',
		map { my $name = $_; map { [ $_, "SELECT tfm_embed($name, 'x')", $worker ] } qw(owner stranger) } q{'inherited'}, q{'m'}, q{'public_m'}, $path)),
	'42501 42501  42501    42501', 'nor does a worker give more');

$node->stop;
done_testing();
