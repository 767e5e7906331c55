import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0011_impacts'),
    ]

    operations = [
        migrations.CreateModel(
            name='LinkChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('how', models.CharField(choices=[('written', 'Written'), ('met', 'Found the same'), ('left', 'Gave way'), ('decided', 'Decided by a person'), ('held', 'Held'), ('released', 'Released'), ('deleted', 'Record deleted'), ('undeleted', 'Record restored'), ('merged', 'Record merged')], max_length=10)),
                ('side', models.CharField(blank=True, help_text='The side that was written: stripe, salesforce.', max_length=10)),
                ('values', models.BinaryField(default=b'', help_text='JSON of the values before and after, by field, encrypted.')),
                ('run', models.CharField(blank=True, help_text='Public id of the run, which is not kept as long.', max_length=24)),
                ('who', models.CharField(blank=True, help_text='Who made the change, where it is known.', max_length=255)),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.AddField(
            model_name='link',
            name='base',
            field=models.BinaryField(db_default=b'', default=b'', help_text='JSON of what both sides agreed on, field by field, encrypted; see flows.agreeing.'),
        ),
        migrations.AddField(
            model_name='link',
            name='state',
            field=models.CharField(choices=[('agreed', 'In agreement'), ('conflict', 'Both sides changed'), ('held', 'Held'), ('deleted', 'Record deleted')], db_default='agreed', default='agreed', max_length=10),
        ),
        migrations.AddField(
            model_name='link',
            name='state_since',
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name='review',
            name='kind',
            field=models.CharField(choices=[('question', 'Question of the flow'), ('in_doubt', 'Did it happen?'), ('several', 'Several records fit'), ('conflict', 'Both sides changed'), ('loop', 'Values go back and forth')], max_length=10),
        ),
        migrations.AddIndex(
            model_name='link',
            index=models.Index(condition=models.Q(('state', 'agreed'), _negated=True), fields=['pair', '-id'], name='link_in_trouble'),
        ),
        migrations.AddField(
            model_name='linkchange',
            name='flow',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='flows.flow'),
        ),
        migrations.AddField(
            model_name='linkchange',
            name='link',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='flows.link'),
        ),
    ]
