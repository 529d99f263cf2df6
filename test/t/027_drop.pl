# Images go with the last database that uses them, and not before.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use File::Find;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('drop', conf => "max_prepared_transactions = 2\n");
my $directory = copy_checkpoint('sentence/mean');
my $path = quote_path($directory);
my $use = q{SELECT cardinality(tfm_tokenize('m', 'hello'))};

# All files below the folder of images, by their names there.
sub files
{
	my $root = $node->data_dir . '/tfm';
	my @files;

	find({ no_chdir => 1, wanted => sub { push @files, substr($_, length($root) + 1) if -f $_ } }, $root);
	return sort @files;
}

sub count_images
{
	return scalar images($node);
}

sub create
{
	my ($database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database")
	  unless $node->safe_psql('postgres', "SELECT 1 FROM pg_database WHERE datname = '$database'");
	$node->safe_psql($database, "CREATE EXTENSION tfm; SELECT tfm_load_model('m', $path)");
}

# Without the checkpoint only the image is left.
sub without_checkpoint
{
	my ($do) = @_;

	rename $directory, "$directory.away" or die $!;
	$do->();
	rename "$directory.away", $directory or die $!;
}

$node->safe_psql('postgres', 'DROP EXTENSION tfm');
is(join(' ', files()), '', 'an extension that was not used leaves nothing');

create('a');
create('b');
is(count_images(), 1, 'two databases share an image');
$node->safe_psql('a', "SELECT tfm_load_model('f32', $path, dtype => 'f32'); SELECT tfm_tokenize(" . quote_path(golden('sentence/cls')) . q{, 'x')});
is(count_images(), 3, 'one of them has two of its own');
my @all = files();

# What does not commit removes nothing.
$node->safe_psql('a', $_)
  for 'BEGIN; DROP EXTENSION tfm CASCADE; ROLLBACK',
  'BEGIN; SAVEPOINT s; DROP EXTENSION tfm CASCADE; ROLLBACK TO s; COMMIT',
  'BEGIN; SAVEPOINT s; SAVEPOINT t; DROP EXTENSION tfm CASCADE; RELEASE t; ROLLBACK TO s; COMMIT',
  q{DO $$ BEGIN DROP EXTENSION tfm CASCADE; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$},
  q{BEGIN; DROP EXTENSION tfm CASCADE; PREPARE TRANSACTION 'p'}, q{ROLLBACK PREPARED 'p'};
$node->psql('a', q{
	CREATE TABLE late (i int UNIQUE DEFERRABLE INITIALLY DEFERRED);
	BEGIN; DROP EXTENSION tfm CASCADE; INSERT INTO late VALUES (1), (1); COMMIT});
is(join("\n", files()), join("\n", @all), 'a drop that is rolled back removes no file');
is($node->safe_psql('a', "$use; SELECT cardinality(tfm_tokenize('f32', 'hello'))"), "3\n3", 'and the models work');

# A database that drops a model and takes it back in one transaction.
$node->safe_psql('a', "BEGIN; DROP EXTENSION tfm CASCADE; CREATE EXTENSION tfm; SELECT tfm_load_model('m', $path); COMMIT");
is(count_images(), 1, 'models that have come back keep their images, others lose them');
without_checkpoint(sub { is($node->safe_psql('a', $use), '3', 'such an image is whole') });

# Pruning sees what other databases use.
without_checkpoint(sub {
	$node->safe_psql('a', q{SELECT tfm_drop_model('m'); SELECT tfm_prune_images('-1 hour')});
	is($node->safe_psql('b', $use), '3', 'pruning in one database leaves what another uses');
});
create('c');
without_checkpoint(sub {
	$node->safe_psql('c', q{SELECT tfm_drop_model('m')});
	$node->safe_psql('b', q{SELECT tfm_prune_images('-1 hour')});
	$node->safe_psql('b', 'DROP EXTENSION tfm CASCADE');
	is(count_images(), 1, 'also where it has used it and has no such model now');
	is($node->safe_psql('c', q{SELECT tfm_prune_images('-1 hour') > 0}), 't', 'until it prunes it itself');
	is(count_images(), 0, 'then it is gone');
});
$node->safe_psql('c', 'DROP EXTENSION tfm');

# Of whatever the extension is dropped with, in a session that has not used it.
for my $command ('DROP EXTENSION tfm CASCADE', 'DROP SCHEMA s CASCADE', 'DROP OWNED BY owner CASCADE')
{
	$node->safe_psql('b', 'CREATE ROLE owner SUPERUSER') if $command =~ /OWNED/;
	$node->safe_psql('b', 'DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s');
	$node->safe_psql('b', ($command =~ /OWNED/ ? 'SET ROLE owner;' : '')
		. "SET search_path = s; CREATE EXTENSION tfm SCHEMA s; SELECT tfm_load_model('m', $path)");
	# As after an upgrade from a version that made no claims.
	unlink grep { -f } glob($node->data_dir . '/tfm/claims/*/*');
	$node->safe_psql('b', $command);
	is($node->safe_psql('b', q{SELECT count(*) FROM pg_extension WHERE extname = 'tfm'}), '0', "$command");
	is(join(' ', grep { !/^claims/ } files()), '', 'leaves no file');
}
$node->safe_psql('a', 'DROP EXTENSION tfm CASCADE');

# A database that is dropped claims nothing any more.
create('d');
create('b');
$node->safe_psql('postgres', 'DROP DATABASE d');
$node->safe_psql('b', 'DROP EXTENSION tfm CASCADE');
is(count_images(), 0, 'a database that is gone holds nothing');
create('d');
$node->safe_psql('postgres', 'DROP DATABASE d');
create('b');
$node->safe_psql('b', q{SELECT tfm_drop_model('m'), tfm_prune_images('-1 hour')});
is(join(' ', files()), '', 'pruning removes what it left');

# One comes and goes while another, which has no checkpoint any more, opens the image.
create('a');
without_checkpoint(sub {
	my %state = (out => '', err => '', in => join '', map {
		"CREATE EXTENSION tfm; CREATE SERVER m FOREIGN DATA WRAPPER tfm OPTIONS (path $path, content "
		  . '\'' . $node->safe_psql('a', 'SELECT content FROM tfm_models') . "\');"
		  . "$use; DROP EXTENSION tfm CASCADE;\n"
	} 1 .. 10);
	my $handle = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('c') ],
		'<', \$state{in}, '>', \$state{out}, '2>', \$state{err});
	my $good = 0;

	$good += $node->safe_psql('a', $use) eq '3' for 1 .. 10;
	$handle->finish;
	is($good, 10, 'no image goes under those who use it');
	is($state{out}, "3\n" x 10, 'nor does it fail others') or diag($state{err});
});
$node->safe_psql('a', 'DROP EXTENSION tfm CASCADE');
is(join(' ', files()), '', 'no file is left at the end');

$node->stop;
done_testing();
